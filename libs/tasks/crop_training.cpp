#include "tasks/crop_training.h"

#include "core/error.h"
#include "core/progress.h"
#include "dist/gradients.h"
#include "train/batches.h"

#include <algorithm>
#include <cmath>

namespace selfsight::tasks {

using torch::Tensor;

std::string CropOptions::text() const {
  if (padding > 0) return fmt::format("crops from {} pixels of padding, flip {:g}", padding, flip);
  return fmt::format("crops of {:g} to 1, flip {:g}", scale_min, flip);
}

data::Recipe crop_recipe(std::int64_t size, const CropOptions& options) {
  data::Recipe recipe;
  recipe.name = "crop";
  recipe.size = size;
  recipe.scale_min = options.scale_min;
  recipe.flip = options.flip;
  if (options.padding > 0) {
    recipe.crop = "padded";
    recipe.padding = options.padding;
  }
  return recipe;
}

data::LoaderOptions loading(const EmbedRun& run) {
  data::LoaderOptions options;
  options.workers = run.workers;
  return options;
}

data::EpochPlan plan_over(const std::vector<std::int64_t>& samples, std::int64_t batch, std::uint64_t seed, std::int64_t epoch,
                          bool drop_last) {
  const auto count = static_cast<std::int64_t>(samples.size());
  data::EpochPlan plan = data::shuffled_plan(count, batch, seed, epoch, drop_last && count >= batch);
  for (auto& draws : plan)
    for (auto& draw : draws) draw.sample = samples[static_cast<std::size_t>(draw.sample)];
  return plan;
}

EmbedRun sharing(EmbedRun run, std::int64_t images) {
  if (images % run.ranks.size() != 0) run.ranks = {};
  return run;
}

double train_on_crops(const Subject& subject, const OpenSplit& split, const std::vector<std::int64_t>& samples,
                      const CropTraining& training, const CropOptions& crop, const EmbedRun& run, const std::string& rate_option) {
  train::Progress at;
  at.steps_per_epoch = std::max<std::int64_t>(1, static_cast<std::int64_t>(samples.size()) / training.batch);
  at.total_steps = training.epochs * at.steps_per_epoch;
  train::Optimizer optimizer(training.groups, training.rule);
  dist::GradientReducer reducer(run.ranks, training.parameters);
  data::Loader loader({split.source}, {{crop_recipe(subject.network.size, crop), false}}, training.seed, loading(run));
  core::Progress progress(training.title, at.total_steps, "steps");
  double mean = 0;
  for (std::int64_t epoch = 0; epoch < training.epochs; ++epoch) {
    const auto plan = plan_over(samples, training.batch, training.seed, epoch, /*drop_last=*/true);
    loader.start(train::own_part(plan, run.ranks), epoch);
    mean = 0;
    while (const auto batch = loader.next()) {
      const Tensor x = train::to_tensor(batch->views[0], subject.network.normalisation, run.device);
      const Tensor loss = torch::cross_entropy_loss(training.logits(x), torch::tensor(batch->labels).to(run.device));
      const double value = run.ranks.mean(loss.detach().to(torch::kCPU, torch::kFloat64)).item<double>();
      if (!std::isfinite(value))
        core::fail(core::Exit::bad_data, "{}: diverged at step {}: lower {}", training.title, at.step, rate_option);
      mean += value / static_cast<double>(at.steps_per_epoch);
      optimizer.zero_grad();
      reducer.before_backward(loss);
      loss.backward();
      optimizer.step(training.rate(at), training.peak_rate, training.weight_decay);
      ++at.step;
      progress.advance(1, fmt::format("loss {:.3f}", value));
    }
  }
  return mean;
}

}  // namespace selfsight::tasks
