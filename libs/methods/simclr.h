// SimCLR: Chen, Kornblith, Norouzi, Hinton. A Simple Framework for Contrastive Learning of Visual Representations. ICML 2020, arXiv
// 2002.05709.
#pragma once

#include "nn/encoder.h"
#include "nn/heads.h"
#include "train/method.h"

namespace selfsight::methods {

struct SimclrOptions {
  double temperature = 0.1;
  std::int64_t dim = 128;   ///< of the embedding z
  std::int64_t hidden = 0;  ///< 0: as wide as the features
  data::Recipe view = data::simclr_recipe(224);
};

class Simclr : public train::PairMethod {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  Pair encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress& progress) override;
  [[nodiscard]] std::int64_t embedding_dim() const override { return options_.dim; }
  train::Outcome compare(const Pair& pair, const train::Progress& progress) override;
  [[nodiscard]] bool repeats_itself() const override { return !encoder_ || encoder_->backbone->options().drop_path == 0; }
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return encoder_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", encoder_->head}}; }

 protected:
  /// The projector on so many features.
  [[nodiscard]] virtual nn::MlpOptions head(std::int64_t features) const;
  SimclrOptions options_;

 private:
  std::shared_ptr<nn::Encoder<nn::Mlp>> encoder_;
};

}  // namespace selfsight::methods
