#include "tasks/dense_subject.h"

#include "core/error.h"
#include "nn/ema.h"

namespace selfsight::tasks {

torch::Tensor feature_map(nn::Backbone& backbone, const torch::Tensor& x, const std::string& layer) {
  if (layer == "map") return backbone.forward(x).map;
  torch::Tensor tap = backbone.forward(x, {layer}).taps.at(layer);
  if (tap.dim() == 4) return tap;
  const nn::BackboneOptions& options = backbone.options();
  const torch::Tensor patches = options.class_token ? tap.slice(1, 1) : tap;
  return patches.transpose(1, 2).reshape({x.size(0), tap.size(2), x.size(2) / options.patch, x.size(3) / options.patch});
}

void DenseSubject::describe(core::Options& o) {
  o.add("layer", &layer, "map (the last one), or a tap such as layer3 or block-8").metavar("NAME");
  o.add("weights", &weights, "the model's, or for a baseline the same network's untrained ones, drawn by --seed")
      .choices({"model", "untrained"});
  o.add("seed", &seed, "of everything drawn at random");
  o.add("device", &device, "cpu, cuda or cuda:N").runtime();
  o.add("threads", &threads, "of LibTorch; 0: all processors").range(0, 4096).runtime();
}

Subject DenseSubject::open(const manifest::Model& model) const {
  train::prepare_cpu(threads);
  const torch::Device place = train::open_device(device);
  Subject subject = weights == "untrained" ? untrained_subject(model, layer, seed) : model_subject(model, layer);
  if (subject.baseline) subject.model["config"] = {{"seed", seed}};  // tells a report which runs pair
  nn::Backbone& network = *subject.network.backbone;
  nn::Taps maps = network.taps();
  std::erase_if(maps, [](const std::string& tap) { return tap.starts_with("attention-") || tap.starts_with("keys-"); });
  if (subject.of_head) maps.erase(layer);
  if (layer != "map" && !maps.contains(layer))
    core::fail(core::Exit::usage, "--layer {}: {} has no such map (known: map, {})", layer, network.options().name, fmt::join(maps, ", "));
  nn::freeze(network);
  network.to(place);
  return subject;
}

manifest::Json DenseSubject::protocol(const Subject& subject) const {
  manifest::Json out = {{"layer", layer}, {"features", "frozen"}};
  if (subject.baseline) out["seed of the weights"] = seed;
  return out;
}

}  // namespace selfsight::tasks
