#include "tasks/probe_fine_tune.h"

#include "core/error.h"
#include "core/progress.h"
#include "data/plan.h"
#include "nn/ema.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <algorithm>
#include <cmath>

namespace selfsight::tasks {

namespace {

using torch::Tensor;

data::LoaderOptions loading(const EmbedRun& run) {
  data::LoaderOptions options;
  options.workers = run.workers;
  return options;
}

/// A shuffled plan over some samples of a source. A last short batch is kept only when it is the only one: norms over two images say
/// little.
data::EpochPlan plan_over(const std::vector<std::int64_t>& samples, std::int64_t batch, std::uint64_t seed, std::int64_t epoch,
                          bool drop_last) {
  const auto count = static_cast<std::int64_t>(samples.size());
  data::EpochPlan plan = data::shuffled_plan(count, batch, seed, epoch, drop_last && count >= batch);
  for (auto& draws : plan)
    for (auto& draw : draws) draw.sample = samples[static_cast<std::size_t>(draw.sample)];
  return plan;
}

/// Groups by depth: the learning rate falls by `layer_decay` from the head (depth + 1) down to the stem.
std::vector<train::ParameterGroup> decayed_groups(const nn::Backbone& backbone, const torch::nn::Module& head, double layer_decay) {
  std::vector<train::ParameterGroup> groups = train::default_groups(head, /*exclude_1d=*/true);
  const std::int64_t top = backbone.depth() + 1;
  std::map<std::pair<std::int64_t, bool>, train::ParameterGroup> by_depth;
  for (const auto& item : backbone.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const std::int64_t depth = backbone.depth_of(item.key());
    const bool matrix = item.value().dim() > 1;
    auto& group = by_depth[{depth, matrix}];
    group.lr_scale = std::pow(layer_decay, static_cast<double>(top - depth));
    group.decay_scale = matrix ? 1 : 0;
    group.parameters.emplace_back("backbone." + item.key(), item.value());
  }
  for (auto& [key, group] : by_depth) groups.push_back(std::move(group));
  return groups;
}

}  // namespace

data::Recipe crop_recipe(std::int64_t size, const CropOptions& options) {
  data::Recipe recipe;
  recipe.name = "crop";
  recipe.size = size;
  recipe.scale_min = options.scale_min;
  recipe.flip = options.flip;
  return recipe;
}

LinearFeed augmented_feed(const Subject& subject, const OpenSplit& split, const std::vector<std::int64_t>& samples, const Tensor& inside,
                          const Tensor& mean, const Tensor& stddev, const LinearOptions& linear, const CropOptions& crop,
                          const EmbedRun& run) {
  auto loader = std::make_shared<data::Loader>(
      std::vector{split.source}, std::vector<data::ViewSpec>{{crop_recipe(subject.network.size, crop), false}}, linear.seed, loading(run));
  auto progress = std::make_shared<core::Progress>(subject.name + ": linear probe on crops",
                                                   linear.epochs * static_cast<std::int64_t>(samples.size()), "images");
  subject.network.backbone->to(run.device);
  return [=](std::int64_t epoch, const UseBatch& use) {
    loader->start(plan_over(samples, linear.batch, linear.seed, epoch, /*drop_last=*/false), epoch);
    while (const auto batch = loader->next()) {
      const Tensor x = train::to_tensor(batch->views[0], subject.network.normalisation, run.device);
      const Tensor features =
          train::forward_layer(*subject.network.backbone, x, subject.layer == "pixels" ? "pooled" : subject.layer).to(mean.options());
      const Tensor rows = torch::tensor(batch->samples), labels = torch::tensor(batch->labels).to(mean.device());
      use((features - mean) / stddev, labels, inside.index_select(0, rows).to(mean.device()));
      progress->advance(batch->size());
    }
  };
}

FineTuned fine_tune(const Subject& subject, const OpenSplit& train, const std::vector<std::int64_t>& samples, const OpenSplit& test,
                    std::int64_t classes, const FineTuneOptions& options, const CropOptions& crop, const EmbedRun& run) {
  torch::manual_seed(options.seed);
  const auto& given = *subject.network.backbone;
  const auto backbone = nn::make_backbone(given.options());
  nn::copy_state(*backbone, given);
  torch::nn::Linear head(given.feature_dim(), classes);
  {
    const torch::NoGradGuard no_grad;
    head->weight.normal_(0, 0.01);
    head->bias.zero_();
  }
  backbone->to(run.device);
  head->to(run.device);
  backbone->train();

  const auto count = static_cast<std::int64_t>(samples.size());
  const std::int64_t steps = std::max<std::int64_t>(1, count / options.batch);
  FineTuned out;
  out.epochs = std::max(options.epochs, (options.least_steps + steps - 1) / steps);
  const std::int64_t total = out.epochs * steps;
  const auto warmup = static_cast<std::int64_t>(options.warmup * static_cast<double>(total));

  train::OptimizerOptions rule;
  rule.optimizer = "adamw";
  train::Optimizer optimizer(decayed_groups(*backbone, *head, options.layer_decay), rule);
  data::Loader loader({train.source}, {{crop_recipe(subject.network.size, crop), false}}, options.seed, loading(run));
  core::Progress progress(subject.name + ": fine-tuning on " + std::to_string(count) + " labels", total, "steps");
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < out.epochs; ++epoch) {
    loader.start(plan_over(samples, options.batch, options.seed, epoch, /*drop_last=*/true), epoch);
    while (const auto batch = loader.next()) {
      const Tensor x = train::to_tensor(batch->views[0], subject.network.normalisation, run.device);
      const Tensor loss =
          torch::cross_entropy_loss(head->forward(backbone->forward(x).pooled), torch::tensor(batch->labels).to(run.device));
      const double value = loss.item<double>();
      if (!std::isfinite(value))
        core::fail(core::Exit::bad_data, "{}: fine-tuning diverged at step {}: lower --fine-tune-lr", subject.name, step);
      optimizer.zero_grad();
      loss.backward();
      const double share = static_cast<double>(step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
      const double lr = step < warmup ? options.learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup)
                                      : train::cosine(options.learning_rate, 0, share);
      optimizer.step(lr, options.learning_rate, options.weight_decay);
      ++step;
      progress.advance(1, fmt::format("loss {:.3f}", value));
    }
  }
  progress.finish();

  const torch::NoGradGuard no_grad;
  train::EmbedOptions embedding;
  embedding.batch = run.batch;
  embedding.workers = run.workers;
  const auto embedded =
      train::embed(*backbone, subject.network.normalisation, subject.network.size, test.source, {}, run.device, embedding);
  out.predictions = head->forward(embedded.features.to(run.device)).argmax(1).to(torch::kCPU);
  return out;
}

}  // namespace selfsight::tasks
