// SimSiam: Chen, He. Exploring Simple Siamese Representation Learning. CVPR 2021, arXiv 2011.10566.
#pragma once

#include "nn/encoder.h"
#include "nn/heads.h"
#include "train/method.h"

namespace selfsight::methods {

struct SimsiamOptions {
  std::int64_t dim = 2048, bottleneck = 512;
  data::Recipe view = data::moco_v2_recipe(224);
};

/// Queries are predictions p, keys the detached projections z of the other view; the pair holds both directions, so 2N rows each.
class Simsiam : public train::PairMethod {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  Pair encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress& progress) override;
  [[nodiscard]] std::int64_t embedding_dim() const override { return options_.dim; }
  train::Outcome compare(const Pair& pair, const train::Progress& progress) override;
  [[nodiscard]] bool repeats_itself() const override { return !encoder_ || encoder_->backbone->options().drop_path == 0; }
  [[nodiscard]] std::vector<train::ParameterGroup> parameter_groups(const train::OptimizerOptions& options) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return encoder_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", encoder_->head}}; }

 private:
  SimsiamOptions options_;
  std::shared_ptr<nn::Encoder<nn::Mlp>> encoder_;
  std::shared_ptr<nn::Mlp> predictor_;
};

}  // namespace selfsight::methods
