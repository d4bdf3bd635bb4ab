// PixPro: Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual Representation Learning, CVPR 2021,
// arXiv 2011.10043; and PixContrast, the contrastive pixel task of the same paper.
//
// Reading: cells are placed by a crop's edges as shares of the image (the release divides by the last pixel's place, W - 1). The
// similarity is always clamped at 0.
#pragma once

#include "data/view_pair.h"
#include "nn/heads.h"
#include "train/method.h"

namespace selfsight::methods {

struct PixproOptions {
  std::string loss = "consistency";  ///< or "contrast" (PixContrast: no propagation)
  double threshold = 0.7;            ///< T, in diagonals of the larger cell
  bool propagation = true;           ///< the pixel propagation module; off: identity in its place
  double gamma = 2;                  ///< sharpness of the similarity
  std::int64_t value_layers = 1;     ///< of g
  double temperature = 0.3;          ///< tau of PixContrast
  double instance_weight = 0;        ///< alpha; 0: no instance branch
  double momentum = 0.99;            ///< of the target network at the start; rises to 1 by a cosine
  std::int64_t dim = 256, hidden = 4096;
  data::ViewPair views;

  PixproOptions();
};

/// The pixel propagation module (section 3.2): y_i = sum_j max(cos(x_i, x_j), 0)^gamma g(x_j)/|g(x_j)| over all cells j of the image, then
/// to unit length. g: the identity, a linear layer, or an MLP.
class PixelPropagation : public torch::nn::Module {
 public:
  /// `layers` of g: 0, 1 or 2.
  PixelPropagation(std::int64_t dim, std::int64_t layers, double gamma);
  /// N x P x D cells -> N x P x D of unit length.
  torch::Tensor forward(const torch::Tensor& x);

 private:
  double gamma_;
  std::shared_ptr<nn::Mlp> g_;  ///< null: the identity
};

/// The pairs of cells that show the same spot, N x P x P of 0 and 1: A_ij = [d_ij < T]. `a`, `b`: boxes of nn::crop_boxes.
torch::Tensor matching_cells(const torch::Tensor& a, const torch::Tensor& b, std::int64_t h, std::int64_t w, double threshold);

/// R(y, z, A) of one direction: -2 mean_n [sum_ij A_ij y_i.z_j / (sum_ij A_ij + 1e-6)]; y, z: N x P x D of unit length. An image without
/// a match counts 0.
torch::Tensor pixel_consistency(const torch::Tensor& y, const torch::Tensor& z, const torch::Tensor& matching);

/// PixContrast of one direction (section 3.1): -log(sum_{j in A_i} exp(x_i.z_j/tau) / sum_j exp(x_i.z_j/tau)), the mean over the cells i of
/// an image that have a match, then over images. An image without a match counts 0.
torch::Tensor pixel_contrast(const torch::Tensor& x, const torch::Tensor& z, const torch::Tensor& matching, double tau);

/// A backbone with heads on every cell of its last map.
class PixproNetwork : public torch::nn::Module {
 public:
  PixproNetwork(std::shared_ptr<nn::Backbone> backbone, const PixproOptions& options);
  struct Cells {
    torch::Tensor pixels;    ///< N x P x D
    torch::Tensor instance;  ///< the instance branch's, N x P x D; undefined without one
    std::int64_t h = 0, w = 0;
  };
  Cells forward(const torch::Tensor& x);

  std::shared_ptr<nn::Backbone> backbone;
  std::shared_ptr<nn::Mlp> projector, instance_projector;
};

class Pixpro : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return online_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", online_->projector}}; }

 private:
  /// What is compared with the other view's target: the propagated cells, or the cells themselves. Unit length.
  torch::Tensor query(const torch::Tensor& pixels);
  torch::Tensor pixel_loss(const torch::Tensor& query, const torch::Tensor& target, const torch::Tensor& matching) const;
  torch::Tensor instance_loss(const torch::Tensor& online, const torch::Tensor& target);

  PixproOptions options_;
  std::shared_ptr<PixproNetwork> online_, target_;
  std::shared_ptr<PixelPropagation> propagation_;  ///< null when it is off
  std::shared_ptr<nn::Mlp> predictor_;             ///< of the instance branch
};

}  // namespace selfsight::methods
