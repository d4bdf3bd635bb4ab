// MAE: He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377.
#pragma once

#include "nn/vit.h"
#include "train/method.h"

namespace selfsight::methods {

struct MaeOptions {
  double mask_ratio = 0.75;      ///< r
  bool normalise_target = true;  ///< per-patch normalised pixels
  std::int64_t decoder_dim = 512, decoder_depth = 8, decoder_heads = 16;
  data::Recipe view = data::mae_recipe(224);
};

/// Which patches of each image stay. keep: N x L_keep indices; restore: N x L, position of each patch in (kept, removed) order; mask: N x
/// L, 1 removed.
struct Masking {
  torch::Tensor keep, restore, mask;
};
/// Random masking by sorting noise (N x L): the floor(L * (1 - ratio)) smallest stay.
Masking random_masking(const torch::Tensor& noise, double ratio);

/// Pixels of each patch, (row, column, channel) order, N x L x P; normalised per patch with the unbiased variance when asked for.
torch::Tensor mae_target(const torch::Tensor& images, std::int64_t patch, bool normalise);
/// Mean squared error over removed patches only.
torch::Tensor mae_loss(const torch::Tensor& prediction, const torch::Tensor& target, const torch::Tensor& mask);

/// Linear, mask tokens, blocks, norm, Linear to pixels.
class MaeDecoder : public torch::nn::Module {
 public:
  MaeDecoder(const MaeOptions& options, std::int64_t encoder_dim, std::int64_t grid, std::int64_t outputs);
  /// encoded: N x (1 + L_keep) x d, class token first; returns N x L x outputs.
  torch::Tensor forward(const torch::Tensor& encoded, const torch::Tensor& restore);
  /// What the blocks see: tokens at their places with positions, N x (1 + L) x decoder_dim.
  torch::Tensor assemble(const torch::Tensor& encoded, const torch::Tensor& restore);

 private:
  torch::nn::Linear embed_{nullptr}, predict_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::Tensor mask_token_, positions_;
};

class Mae : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return encoder_; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"decoder", decoder_}}; }

 private:
  MaeOptions options_;
  std::shared_ptr<nn::Vit> encoder_;
  std::shared_ptr<MaeDecoder> decoder_;
};

}  // namespace selfsight::methods
