#include "tasks/probe_fine_tune.h"

#include "core/progress.h"
#include "dist/gradients.h"
#include "nn/ema.h"
#include "train/batches.h"

#include <algorithm>
#include <cmath>

namespace selfsight::tasks {

namespace {

using torch::Tensor;

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

LinearFeed augmented_feed(const Subject& subject, const OpenSplit& split, const std::vector<std::int64_t>& samples, const Tensor& inside,
                          const Tensor& mean, const Tensor& stddev, const LinearOptions& linear, const CropOptions& crop,
                          const EmbedRun& run) {
  auto loader = std::make_shared<data::Loader>(
      std::vector{split.source}, std::vector<data::ViewSpec>{{crop_recipe(subject.network.size, crop), false}}, linear.seed, loading(run));
  auto progress = std::make_shared<core::Progress>(subject.name + ": linear probe on crops",
                                                   linear.epochs * static_cast<std::int64_t>(samples.size()), "images");
  subject.network.backbone->to(run.device);
  // With a last batch smaller than the ranks are many, each would have to do without its part.
  const bool shared =
      static_cast<std::int64_t>(samples.size() - 1) % linear.batch + 1 >= run.ranks.size() && linear.batch >= run.ranks.size();
  const dist::Ranks ranks = shared ? run.ranks : dist::Ranks();
  return [=](std::int64_t epoch, const UseBatch& use) {
    loader->start(train::own_part(plan_over(samples, linear.batch, linear.seed, epoch, /*drop_last=*/false), ranks), epoch);
    while (const auto batch = loader->next()) {
      const Tensor x = train::to_tensor(batch->views[0], subject.network.normalisation, run.device);
      const Tensor features = ranks.gather_parts(train::forward_layer(*subject.network.backbone, x, subject.tap()).to(mean.options()));
      const Tensor rows = ranks.gather_parts(torch::tensor(batch->samples)),
                   labels = ranks.gather_parts(torch::tensor(batch->labels)).to(mean.device());
      use((features - mean) / stddev, labels, inside.index_select(0, rows).to(mean.device()));
      progress->advance(rows.size(0));
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
  const EmbedRun shared = sharing(run, std::min(options.batch, count));
  dist::join_all(*backbone, shared.ranks);
  const std::int64_t steps = std::max<std::int64_t>(1, count / options.batch);
  FineTuned out;
  out.epochs = std::max(options.epochs, (options.least_steps + steps - 1) / steps);
  const std::int64_t total = out.epochs * steps;
  const auto warmup = static_cast<std::int64_t>(options.warmup * static_cast<double>(total));

  CropTraining training;
  training.title = fmt::format("{}: fine-tuning on {} labels", subject.name, count);
  training.epochs = out.epochs;
  training.batch = options.batch;
  training.seed = options.seed;
  training.logits = [&](const Tensor& x) { return head->forward(backbone->forward(x).pooled); };
  training.parameters = dist::trainable(*backbone);
  for (const Tensor& parameter : head->parameters()) training.parameters.push_back(parameter);
  training.rule.optimizer = "adamw";
  training.groups = decayed_groups(*backbone, *head, options.layer_decay);
  training.rate = [&](const train::Progress& at) {
    if (at.step < warmup) return options.learning_rate * static_cast<double>(at.step + 1) / static_cast<double>(warmup);
    const double share = static_cast<double>(at.step - warmup) / static_cast<double>(std::max<std::int64_t>(1, total - warmup));
    return train::cosine(options.learning_rate, 0, share);
  };
  training.peak_rate = options.learning_rate;
  training.weight_decay = options.weight_decay;
  out.loss = train_on_crops(subject, train, samples, training, crop, shared, "--fine-tune-lr");

  const torch::NoGradGuard no_grad;
  const auto embedded =
      train::embed(*backbone, subject.network.normalisation, subject.network.size, test.source, {}, run.device, run.options());
  out.predictions = head->forward(embedded.features.to(run.device)).argmax(1).to(torch::kCPU);
  return out;
}

}  // namespace selfsight::tasks
