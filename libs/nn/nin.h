// Network in Network (Lin et al., arXiv 1312.4400) as RotNet trains it (Gidaris et al., arXiv 1803.07728, section 3.1): 3 to 5 blocks of a
// k x k and two 1 x 1 convolutions, each with batch normalisation and ReLU.
#pragma once

#include "nn/backbone.h"
#include "nn/batch_norm.h"

#include <array>
#include <vector>

namespace selfsight::nn {

/// Convolution (stride 1, no bias), normalisation and ReLU, three times: k x k, 1 x 1, 1 x 1.
class NinBlock : public torch::nn::Module {
 public:
  NinBlock(std::int64_t in, const std::array<std::int64_t, 3>& channels, std::int64_t kernel);
  /// N x in x h x w -> N x channels[2] x h x w.
  torch::Tensor forward(torch::Tensor x);

 private:
  std::array<torch::nn::Conv2d, 3> convs_{nullptr, nullptr, nullptr};
  std::array<BatchNorm, 3> norms_{nullptr, nullptr, nullptr};
};

/// Block 1 ends with a maximum pool and block 2 with an average pool (3 x 3, stride 2), the others keep the size. 1,406,016 weights of
/// convolutions and 4,352 of norms with four blocks.
class Nin : public Backbone {
 public:
  Nin(BackboneOptions options, std::int64_t blocks);

  /// Taps "block1" .. "blockN", each with its pool: 96 x H/2 x W/2, then 192 x H/4 x W/4 (times `width`).
  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return dim_; }
  /// Number of blocks plus one; there is no stem.
  [[nodiscard]] std::int64_t depth() const override { return static_cast<std::int64_t>(blocks_.size()) + 1; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override;

 private:
  std::vector<std::shared_ptr<NinBlock>> blocks_;
  std::int64_t dim_ = 0;
};

}  // namespace selfsight::nn
