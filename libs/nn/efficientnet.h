// EfficientNet-lite0 (Tan and Le, arXiv 1905.11946; the lite variants have ReLU6 and no squeeze-and-excitation): inverted residual blocks
// (Sandler et al., arXiv 1801.04381). State-dict keys of timm's tf_efficientnet_lite0.
#pragma once

#include "nn/backbone.h"
#include "nn/batch_norm.h"

#include <vector>

namespace selfsight::nn {

/// Convolution without bias whose padding is TensorFlow's "same": ceil(H / stride) rows come out, an odd row of zeros goes below and right.
class SameConv : public torch::nn::Module {
 public:
  SameConv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t groups = 1);
  /// N x in x H x W -> N x out x ceil(H / stride) x ceil(W / stride).
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::int64_t kernel_, stride_, groups_;
  torch::Tensor weight_;
};

/// 1 x 1 up by `expansion` (none of 1), depthwise k x k, 1 x 1 down without activation; added to its input where that has its shape.
class InvertedResidual : public torch::nn::Module {
 public:
  InvertedResidual(std::int64_t in, std::int64_t out, std::int64_t expansion, std::int64_t kernel, std::int64_t stride);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  bool shortcut_;
  std::vector<std::shared_ptr<SameConv>> convs_;
  std::vector<BatchNorm> norms_;
};

class EfficientNet : public Backbone {
 public:
  explicit EfficientNet(BackboneOptions options);

  /// Taps "stage1" .. "stage7"; the map (1280 x H/32 x W/32) is what the last 1 x 1 convolution makes of the last.
  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return dim_; }
  [[nodiscard]] std::int64_t depth() const override { return static_cast<std::int64_t>(stages_.size()) + 1; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override;

 private:
  std::shared_ptr<SameConv> stem_, head_;
  BatchNorm stem_norm_{nullptr}, head_norm_{nullptr};
  std::vector<torch::nn::Sequential> stages_;
  std::int64_t dim_ = 0;
};

}  // namespace selfsight::nn
