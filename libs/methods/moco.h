// MoCo v2: He et al., Momentum Contrast for Unsupervised Visual Representation Learning, CVPR 2020, arXiv 1911.05722;
// Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020, arXiv 2003.04297.
#pragma once

#include "nn/encoder.h"
#include "nn/heads.h"
#include "nn/queue.h"
#include "train/method.h"

namespace selfsight::methods {

struct MocoOptions {
  double temperature = 0.2;
  double momentum = 0.999;     ///< m of the key encoder
  std::int64_t queue = 65536;  ///< K
  std::int64_t dim = 128;
  std::string head = "mlp";         ///< "mlp" (v2) or "linear" (v1)
  std::int64_t shuffle_groups = 8;  ///< groups that keys are normalised in, see encode()
  data::Recipe view = data::moco_v2_recipe(224);
};

/// The profiles, for methods that MoCo is a part of and that change a few values.
nlohmann::json moco_published();
nlohmann::json moco_small();

class Moco : public train::PairMethod {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  Pair encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress& progress) override;
  [[nodiscard]] std::int64_t embedding_dim() const override { return options_.dim; }
  train::Outcome compare(const Pair& pair, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress&) override { queue_->discard(); }
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return query_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", query_->head}}; }

 protected:
  MocoOptions options_;
  std::shared_ptr<nn::Encoder<nn::Mlp>> query_, key_;
  std::shared_ptr<nn::Queue> queue_;
};

}  // namespace selfsight::methods
