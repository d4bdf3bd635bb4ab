#include "train/embed.h"

#include "core/progress.h"
#include "nn/state.h"

#include <nlohmann/json.hpp>

#include <numeric>

namespace selfsight::train {

Pretrained load_pretrained(const manifest::Model& model) {
  Pretrained out;
  out.backbone = nn::make_backbone(nn::backbone_options(model.architecture));
  nn::load_state(*out.backbone, nn::load_tensors(model.weights.path));
  out.backbone->eval();
  out.normalisation = {model.mean, model.stddev};
  out.size = model.input.at(0);
  return out;
}

namespace {

/// Tap names come with maps (N x C x h x w), tokens (N x T x D) or attention; one vector a sample is made of each.
torch::Tensor as_vector(const torch::Tensor& tap) {
  if (tap.dim() == 4) return tap.mean({2, 3});
  if (tap.dim() == 3) return tap.select(1, 0);
  return tap.flatten(1);
}

}  // namespace

Embedded embed(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size, const std::shared_ptr<const data::Source>& source,
               const std::vector<std::int64_t>& indices, const torch::Device& device, const EmbedOptions& options) {
  const torch::NoGradGuard no_grad;
  const bool was_training = backbone.is_training();
  backbone.eval();

  std::vector<std::int64_t> wanted = indices;
  if (wanted.empty()) {
    wanted.resize(static_cast<std::size_t>(source->size()));
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  const auto count = static_cast<std::int64_t>(wanted.size());
  data::EpochPlan plan = data::sequential_plan(count, options.batch);
  for (auto& batch : plan)
    for (auto& place : batch) place.sample = wanted[static_cast<std::size_t>(place.sample)];

  data::LoaderOptions loading;
  loading.workers = options.workers;
  data::Loader loader({source}, {{data::eval_recipe(size), false}}, 0, loading);
  loader.start(std::move(plan), 0);

  Embedded out;
  out.labels = torch::empty({count}, torch::kInt64);
  out.index = torch::empty({count}, torch::kInt64);
  const bool tapped = options.layer != "pooled" && options.layer != "map";
  const nn::Taps taps = tapped ? nn::Taps{options.layer} : nn::Taps{};
  std::optional<core::Progress> progress;
  if (options.progress) progress.emplace(options.title, count, "images");
  std::int64_t done = 0;
  while (const auto batch = loader.next()) {
    const nn::Features features = backbone.forward(to_tensor(batch->views[0], normalisation, device), taps);
    const torch::Tensor rows = (tapped                    ? as_vector(features.taps.at(options.layer))
                                : options.layer == "map" ? features.map.mean({2, 3})
                                                          : features.pooled)
                                   .to(torch::kCPU, torch::kFloat32);
    if (!out.features.defined()) out.features = torch::empty({count, rows.size(1)});
    out.features.narrow(0, done, rows.size(0)).copy_(rows);
    for (std::int64_t i = 0; i < batch->size(); ++i) {
      out.labels[done + i] = batch->labels[static_cast<std::size_t>(i)];
      out.index[done + i] = batch->samples[static_cast<std::size_t>(i)];
    }
    done += batch->size();
    if (progress) progress->advance(batch->size());
  }
  backbone.train(was_training);
  return out;
}

}  // namespace selfsight::train
