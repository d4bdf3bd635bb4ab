// The denoising autoencoder whose codes G-SimCLR clusters: Chakraborty, Gosthipaty, Paul, ICDM workshops 2020, arXiv 2009.12007, section
// III.
#pragma once

#include "train/method.h"

#include <vector>

namespace selfsight::methods {

/// The whole image as it is.
data::Recipe whole_image_recipe(std::int64_t size);

struct DaeOptions {
  double noise = 0.01;  ///< standard deviation, of values from 0 to 1
  data::Recipe view = whole_image_recipe(32);
};

/// A code (N x C x s x s) back to an image (N x channels x S x S, values 0 to 1): nearest-neighbour upsampling, 3 x 3 convolution,
/// normalisation and ReLU until it has the size, with C, C/2, C/4 ... channels; then a convolution and a sigmoid. The sizes are those that
/// halving (rounded up) leads through: 8, 16, 32 from a code of 4, and 7, 14, 28 from one of 3, so every s is good.
class DaeDecoder : public torch::nn::Module {
 public:
  DaeDecoder(std::int64_t code_channels, std::int64_t code_side, std::int64_t image_side, std::int64_t channels);
  torch::Tensor forward(torch::Tensor code);

 private:
  std::vector<std::int64_t> sides_;  ///< after each upsampling
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<nn::BatchNorm> norms_;
  torch::nn::Conv2d predict_{nullptr};
};

/// Noise and error are on the scale of 0 to 1: the normalised view is noised by sigma / deviation of its channel, and the prediction
/// compared with the view before its normalisation. Noise is a part of the training step, so codes of a trained encoder never have any.
class Dae : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return encoder_; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"decoder", decoder_}}; }

 private:
  DaeOptions options_;
  std::shared_ptr<nn::Backbone> encoder_;
  std::shared_ptr<DaeDecoder> decoder_;
  torch::Tensor mean_, deviation_;  ///< of the views' normalisation, 1 x channels x 1 x 1
};

}  // namespace selfsight::methods
