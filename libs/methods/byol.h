// BYOL: Grill et al., Bootstrap Your Own Latent, NeurIPS 2020, arXiv 2006.07733.
#pragma once

#include "data/view_pair.h"
#include "nn/encoder.h"
#include "nn/heads.h"
#include "train/method.h"

namespace selfsight::methods {

struct ByolOptions {
  double momentum = 0.996;  ///< tau_base; rises to 1 by a cosine
  std::int64_t dim = 256, hidden = 4096;
  data::ViewPair views;
};

class Byol : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  [[nodiscard]] bool repeats_itself() const override { return !online_ || online_->backbone->options().drop_path == 0; }
  void after_update(const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return online_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", online_->head}}; }

 private:
  ByolOptions options_;
  std::shared_ptr<nn::Encoder<nn::Mlp>> online_, target_;
  std::shared_ptr<nn::Mlp> predictor_;
};

}  // namespace selfsight::methods
