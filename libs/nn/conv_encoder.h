// The encoder of G-SimCLR's denoising autoencoder (Chakraborty et al., arXiv 2009.12007, section III; the released notebook for CIFAR-10).
#pragma once

#include "nn/backbone.h"
#include "nn/batch_norm.h"

#include <array>

namespace selfsight::nn {

/// Three blocks of a 3 x 3 convolution (with bias), batch normalisation, ReLU and a maximum pool of 2 x 2, with 32, 64 and 128 channels.
/// 93,696 parameters for colour images, 94,144 with the running statistics; initial weights as Keras has them.
class ConvEncoder : public Backbone {
 public:
  explicit ConvEncoder(BackboneOptions options);

  /// `map`: the code, 128 x H/8 x W/8 (rounded down at each pool); `pooled`: its mean over the places. Taps "block1" .. "block3". Error:
  /// bad_data for images of less than 8 pixels.
  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return convs_.back()->options.out_channels(); }
  /// Number of blocks plus one; there is no stem.
  [[nodiscard]] std::int64_t depth() const override { return 4; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override { return {"block1", "block2", "block3"}; }

 private:
  std::array<torch::nn::Conv2d, 3> convs_{nullptr, nullptr, nullptr};
  std::array<BatchNorm, 3> norms_{nullptr, nullptr, nullptr};
};

/// A 3 x 3 convolution of the same size and its normalisation as Keras has them by default: uniform weights by fan-in and fan-out (Glorot
/// and Bengio), biases of 0; epsilon 0.001 and running statistics that move by a hundredth.
torch::nn::Conv2d keras_conv(std::int64_t in, std::int64_t out);
BatchNorm keras_norm(std::int64_t channels);

}  // namespace selfsight::nn
