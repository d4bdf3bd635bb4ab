// SwAV: Caron et al., Unsupervised Learning of Visual Features by Contrasting Cluster Assignments, NeurIPS 2020, arXiv 2006.09882.
#pragma once

#include "data/multi_crop.h"
#include "nn/encoder.h"
#include "nn/heads.h"
#include "nn/queue.h"
#include "train/method.h"

namespace selfsight::methods {

struct SwavOptions {
  double temperature = 0.1;  ///< tau of the predictions
  double epsilon = 0.05;     ///< of the assignments
  std::int64_t sinkhorn_iterations = 3;
  std::int64_t prototypes = 3000;  ///< K
  std::int64_t dim = 128, hidden = 2048;
  std::int64_t queue = 0;           ///< Q past embeddings for each global crop; 0: none
  double queue_epoch = 15;          ///< from which on it is filled
  std::int64_t freeze_steps = 313;  ///< F
  data::MultiCrop views = data::multi_crop("swav");
};

class Swav : public train::Method {
 public:
  void describe(core::Options& options) override;
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  void build(const train::Setup& setup) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  void after_backward(const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress& progress) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return encoder_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override {
    return {{"projector", encoder_->head}, {"prototypes", prototypes_}};
  }

 private:
  /// Balanced assignments of a global crop's batch: B x K, rows sum to 1.
  torch::Tensor assign(const torch::Tensor& scores, const torch::Tensor& z, std::size_t crop, const train::Progress& progress);

  SwavOptions options_;
  std::shared_ptr<nn::Encoder<nn::Mlp>> encoder_;
  std::shared_ptr<nn::Prototypes> prototypes_;
  std::vector<std::shared_ptr<nn::Queue>> queues_;  ///< one for each global crop
};

}  // namespace selfsight::methods
