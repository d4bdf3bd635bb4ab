// Vision transformer (Dosovitskiy et al., ICLR 2021) with the details that DINO (arXiv 2104.14294) and MAE (arXiv 2111.06377)
// share: pre-norm, LayerNorm eps 1e-6, qkv bias. State-dict keys are timm's, without the classifier.
#pragma once

#include "dist/ranks.h"
#include "nn/backbone.h"

#include <vector>

namespace selfsight::nn {

/// N x C x H x W -> N x (H/p * W/p) x (p * p * C): patches row by row, the values of one in (row, column, channel) order.
torch::Tensor patchify(const torch::Tensor& x, std::int64_t patch);
/// The inverse, for a grid of grid_h x grid_w patches (0, 0: a square one).
torch::Tensor unpatchify(const torch::Tensor& tokens, std::int64_t patch, std::int64_t channels, std::int64_t grid_h = 0,
                         std::int64_t grid_w = 0);

/// Fixed positions of MAE, 1 x T x dim, float32: the first half of the channels encodes the column, the second the row, each
/// [sin, cos] with frequencies 10000^(-i/(dim/4)). A class token gets a row of zeros in front. Error: usage unless dim is a multiple of 4.
torch::Tensor sincos_positions(std::int64_t dim, std::int64_t grid_h, std::int64_t grid_w, bool class_token);

/// Patch positions (1 x from_h*from_w x D) at another grid, bicubic. At the native grid: the same tensor.
/// `offset`: 0.1 adds what DINO's released code adds to the target size.
torch::Tensor interpolate_positions(const torch::Tensor& positions, std::int64_t from_h, std::int64_t from_w, std::int64_t to_h,
                                    std::int64_t to_w, double offset = 0.0);

/// MAE's initialisation: Xavier-uniform weights and zero biases for every Linear inside.
void xavier_linears(torch::nn::Module& module);

/// x unchanged in eval mode or at rate 0; else each sample (dim 0) is dropped with probability `rate`, the others divided by 1 - rate.
torch::Tensor drop_path(const torch::Tensor& x, double rate, bool training, const dist::Ranks& ranks = {});

/// Where to put what is looked at inside an attention; null: not asked for.
struct AttentionTaps {
  torch::Tensor* map = nullptr;   ///< gets N x heads x T x T, rows sum to 1
  torch::Tensor* keys = nullptr;  ///< gets N x heads x T x D/heads
};

/// Multi-head self-attention over N x T x D.
class Attention : public torch::nn::Module {
 public:
  Attention(std::int64_t dim, std::int64_t heads);
  torch::Tensor forward(const torch::Tensor& x, const AttentionTaps& taps = {});

 private:
  std::int64_t heads_;
  torch::nn::Linear qkv{nullptr}, proj{nullptr};
};

/// Pre-norm transformer block: x + attention(norm1 x), then x + mlp(norm2 x) with a hidden width of mlp_ratio * dim and GELU.
class Block : public torch::nn::Module, public dist::RankAware {
 public:
  /// Weights N(0, 0.02), biases 0. Error: usage unless dim is a multiple of heads.
  Block(std::int64_t dim, std::int64_t heads, double drop_path = 0.0, double mlp_ratio = 4.0);
  torch::Tensor forward(const torch::Tensor& x, const AttentionTaps& taps = {});
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }

 private:
  double drop_path_;
  dist::Ranks ranks_;
  torch::nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  std::shared_ptr<Attention> attn;
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};

class Vit : public Backbone {
 public:
  /// depth, dim and heads must be set. Error: usage when image is no multiple of patch, or dim none of heads.
  explicit Vit(BackboneOptions options);

  Features forward(const torch::Tensor& x, const Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return options().dim; }
  /// Number of blocks plus one (the last norm).
  [[nodiscard]] std::int64_t depth() const override { return static_cast<std::int64_t>(blocks_.size()) + 1; }
  [[nodiscard]] std::int64_t depth_of(const std::string& parameter) const override;
  [[nodiscard]] Taps taps() const override;

  /// Patch tokens with their positions, without the class token: N x T x D. H and W must be multiples of patch.
  torch::Tensor embed(const torch::Tensor& x);
  /// Class token in front (where there is one), blocks, last norm: N x T x D -> N x (1 + T) x D. Any number and order of tokens.
  torch::Tensor encode(const torch::Tensor& tokens) { return norm(blocks(tokens, {}, nullptr)); }

 private:
  torch::Tensor blocks(const torch::Tensor& tokens, const Taps& wanted, std::map<std::string, torch::Tensor>* taps);

  torch::Tensor cls_token, pos_embed;
  torch::nn::Conv2d proj{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  torch::nn::LayerNorm norm{nullptr};
};

}  // namespace selfsight::nn
