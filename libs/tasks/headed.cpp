#include "tasks/headed.h"

#include "core/error.h"
#include "nn/state.h"
#include "train/embed.h"

#include <charconv>

namespace selfsight::tasks {

using torch::Tensor;

Headed::Headed(std::shared_ptr<nn::Backbone> inner, std::string name, const std::shared_ptr<torch::nn::Module>& head, Apply apply)
    : Backbone(inner->options()), inner_(std::move(inner)), name_(std::move(name)), apply_(std::move(apply)) {
  register_module("backbone", std::static_pointer_cast<torch::nn::Module>(inner_));
  register_module("head", head);
  train(inner_->is_training());
}

nn::Features Headed::forward(const Tensor& x, const nn::Taps& taps) {
  nn::Taps of_inner = taps;
  if (of_inner.erase(name_) == 0) return inner_->forward(x, taps);
  nn::Features out = of_inner.empty() ? nn::Features() : inner_->forward(x, of_inner);
  out.taps.emplace(name_, apply_(*inner_, x));
  return out;
}

nn::Taps Headed::taps() const {
  nn::Taps out = inner_->taps();
  out.insert(name_);
  return out;
}

namespace {

/// The head's layers up to `layer`. Children of an MLP are numbered from its start, so a shorter one has the same names.
std::shared_ptr<Headed> up_to(const HeadLayer& layer, const std::shared_ptr<nn::Backbone>& backbone, const nn::Mlp& whole) {
  nn::MlpOptions shape = whole.options();
  const auto all = static_cast<std::int64_t>(shape.dims.size()) - 1;
  const bool last = layer.layers == all;
  if (!last) {
    shape.dims.resize(static_cast<std::size_t>(layer.layers) + 1);
    shape.last_batch_norm = shape.batch_norm;
    shape.last_affine = true;
  }
  const auto head = std::make_shared<nn::Mlp>(shape);
  const nn::LoadReport report = nn::load_state(*head, nn::named_state(whole), /*strict=*/false);
  if (!report.missing.empty() || !report.mismatched.empty())
    core::fail(core::Exit::internal, "the head up to {} does not fit the whole: {}", layer.name(), report.summary());
  const bool gelu = shape.activation == "gelu";
  return std::make_shared<Headed>(backbone, layer.name(), head, [head, last, gelu](nn::Backbone& inner, const Tensor& x) {
    const Tensor y = head->forward(inner.forward(x).pooled);
    return last ? y : gelu ? torch::gelu(y) : torch::relu(y);
  });
}

}  // namespace

std::optional<HeadLayer> head_layer(const manifest::Model& model, const std::string& layer) {
  const std::size_t dash = layer.rfind('-');
  if (dash == std::string::npos || !model.heads.contains(layer.substr(0, dash))) return std::nullopt;
  HeadLayer out{layer.substr(0, dash), 0};
  const char *begin = layer.data() + dash + 1, *end = layer.data() + layer.size();
  const auto [stop, error] = std::from_chars(begin, end, out.layers);
  const auto& stored = model.heads.at(out.head);
  if (!stored.contains("architecture") || stored.at("architecture").value("name", "") != "mlp")
    core::fail(core::Exit::usage, "--layer {}: {} does not say that its head '{}' is an MLP", layer, model.origin, out.head);
  const auto dims = nn::mlp_options(stored.at("architecture")).dims;
  if (error != std::errc() || stop != end || out.layers < 1 || out.layers >= static_cast<std::int64_t>(dims.size()))
    core::fail(core::Exit::usage, "--layer {}: the head has the layers {}-1 to {}-{}", layer, out.head, out.head, dims.size() - 1);
  return out;
}

std::shared_ptr<Headed> headed_model(const manifest::Model& model, const HeadLayer& layer) {
  const auto encoder = train::load_encoder(model, layer.head);
  return up_to(layer, encoder->backbone, *encoder->head);
}

std::shared_ptr<Headed> headed_untrained(const manifest::Model& model, const HeadLayer& layer) {
  const auto backbone = nn::make_backbone(nn::backbone_options(model.architecture));
  return up_to(layer, backbone, nn::Mlp(nn::mlp_options(model.heads.at(layer.head).at("architecture"))));
}

}  // namespace selfsight::tasks
