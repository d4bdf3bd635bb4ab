// ResNet (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.1), stride on the 3x3 convolution of a
// bottleneck as in torchvision. State-dict keys are torchvision's, without fc.
#pragma once

#include "nn/backbone.h"
#include "nn/batch_norm.h"

#include <array>
#include <vector>

namespace selfsight::nn {

/// One residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times the channels at the end.
class ResidualBlock : public torch::nn::Module {
 public:
  /// `planes`: channels inside the block; it gives `planes`, or 4 * `planes` as a bottleneck.
  ResidualBlock(std::int64_t in, std::int64_t planes, std::int64_t stride, bool bottleneck);
  torch::Tensor forward(const torch::Tensor& x);
  /// The gain of the last normalisation, for zero_init_residual.
  [[nodiscard]] torch::Tensor& last_gain();

  static constexpr std::int64_t bottleneck_expansion = 4;

 private:
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr};  // conv3, bn3: bottleneck only
  BatchNorm bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  torch::nn::Sequential downsample{nullptr};
};

struct ResNetShape {
  std::array<std::int64_t, 4> blocks{};
  bool bottleneck = false;
};

class ResNet : public Backbone {
 public:
  ResNet(BackboneOptions options, const ResNetShape& shape);

  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return dim_; }
  /// Number of residual blocks plus one.
  [[nodiscard]] std::int64_t depth() const override { return blocks_ + 1; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override { return {"layer1", "layer2", "layer3", "layer4"}; }

 private:
  torch::nn::Conv2d conv1{nullptr};
  BatchNorm bn1{nullptr};
  bool pool_ = false;
  std::array<std::vector<std::shared_ptr<ResidualBlock>>, 4> layers_;
  std::int64_t dim_ = 0, blocks_ = 0;
};

}  // namespace selfsight::nn
