// AlexNet as RotNet trains it on ImageNet (Gidaris et al., arXiv 1803.07728, section 3.2): one tower, batch normalisation instead of local
// response normalisation, no groups, no dropout.
#pragma once

#include "nn/backbone.h"
#include "nn/batch_norm.h"

#include <array>

namespace selfsight::nn {

/// Everything up to a classifier, the two fully connected layers included: 57,014,336 parameters for colour images of 224 pixels.
class AlexNet : public Backbone {
 public:
  /// The fully connected layers are made for `image`. Error: usage for images of less than 63 pixels, of which nothing is left.
  explicit AlexNet(BackboneOptions options);

  /// `pooled`: the 4096 outputs of the second fully connected layer; `map`: 256 x 6 x 6, what the first one sees. Taps "conv1" .. "conv5"
  /// after normalisation and ReLU, before a pool: 64 x 55 x 55, 192 x 27 x 27, 384, 256 and 256 x 13 x 13. Error: bad_data for another
  /// image size.
  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return fc2->options.out_features(); }
  /// Seven layers plus one; conv1 is the first, not a stem.
  [[nodiscard]] std::int64_t depth() const override { return 8; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override { return {"conv1", "conv2", "conv3", "conv4", "conv5"}; }

 private:
  std::array<torch::nn::Conv2d, 5> convs_{nullptr, nullptr, nullptr, nullptr, nullptr};
  std::array<BatchNorm, 5> norms_{nullptr, nullptr, nullptr, nullptr, nullptr};
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
  BatchNorm fc1_norm{nullptr}, fc2_norm{nullptr};
};

}  // namespace selfsight::nn
