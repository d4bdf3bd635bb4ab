// A backbone with something behind one of its layers, as a backbone: so that whatever takes features takes these too.
#pragma once

#include "manifest/manifest.h"
#include "nn/backbone.h"
#include "nn/heads.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace selfsight::tasks {

class Headed : public nn::Backbone {
 public:
  /// From `inner`'s features to N x D.
  using Apply = std::function<torch::Tensor(nn::Backbone& inner, const torch::Tensor& x)>;
  /// What `apply` gives is the tap `name`; all else is `inner`'s. `head`: the module that `apply` uses, to go where the backbone goes; it
  /// gets the backbone's mode.
  Headed(std::shared_ptr<nn::Backbone> inner, std::string name, const std::shared_ptr<torch::nn::Module>& head, Apply apply);

  nn::Features forward(const torch::Tensor& x, const nn::Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return inner_->feature_dim(); }
  [[nodiscard]] std::int64_t depth() const override { return inner_->depth(); }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override { return inner_->depth_of(parameter); }
  [[nodiscard]] nn::Taps taps() const override;

 private:
  std::shared_ptr<nn::Backbone> inner_;
  std::string name_;
  Apply apply_;
};

/// One of a model's heads up to a layer: "projector-1" is the output of the first, behind its normalisation and activation, and the last is
/// the embedding.
struct HeadLayer {
  std::string head;
  std::int64_t layers = 0;
  [[nodiscard]] std::string name() const { return head + "-" + std::to_string(layers); }
};
/// Whether `layer` names one of a head that `model` has: then which. Error: usage when the head has no such layer, or is no MLP.
std::optional<HeadLayer> head_layer(const manifest::Model& model, const std::string& layer);
/// The model's backbone with a head's layers up to this one, in eval mode. Errors: as train::load_encoder.
std::shared_ptr<Headed> headed_model(const manifest::Model& model, const HeadLayer& layer);
/// The same with weights drawn anew by LibTorch's generator, the backbone's first.
std::shared_ptr<Headed> headed_untrained(const manifest::Model& model, const HeadLayer& layer);

}  // namespace selfsight::tasks
