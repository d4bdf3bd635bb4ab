// RotNet: Gidaris, Singh, Komodakis, Unsupervised Representation Learning by Predicting Image Rotations, ICLR 2018, arXiv 1803.07728.
#pragma once

#include "train/method.h"

namespace selfsight::methods {

struct RotnetOptions {
  std::vector<std::int64_t> rotations = {0, 90, 180, 270};  ///< in degrees, counter-clockwise; their places are the labels y
  data::Recipe view;                                        ///< a random resized crop and a flip, as released for ImageNet
};

/// Images (N x C x H x W) turned counter-clockwise by quarter turns: no pixel is interpolated and none filled in. An odd number of turns
/// exchanges H and W.
torch::Tensor rotate(const torch::Tensor& images, std::int64_t quarter_turns);

struct RotationBatch {
  torch::Tensor images;  ///< KN x C x S x S: all N images at the first angle, then all at the second ...
  torch::Tensor labels;  ///< KN int64: which of the K angles
};
/// Every image at every angle, in one batch (equation 3), so that normalisation sees all of them together. Error: usage for images that are
/// not square and an angle that would change their shape.
RotationBatch rotation_batch(const torch::Tensor& images, const std::vector<std::int64_t>& degrees);

class Rotnet : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return backbone_; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"classifier", classifier_.ptr()}}; }

 private:
  RotnetOptions options_;
  std::shared_ptr<nn::Backbone> backbone_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace selfsight::methods
