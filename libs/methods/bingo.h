// BINGO: Xu et al., Bag of Instances Aggregation Boosts Self-supervised Distillation, ICLR 2022, arXiv 2107.01691.
//
// Readings: the teacher stays in eval mode, so that its batch statistics are as frozen as its weights (the release leaves it in training
// mode, normalising by shuffled batches). A sample is left out of its own bag by its number, not as the first hit.
//
// Not here: bags by k-means; the published teachers, whose projectors ssl-convert leaves behind.
#pragma once

#include "methods/bags.h"
#include "nn/encoder.h"
#include "nn/heads.h"

#include <string>

namespace selfsight::methods {

class Bingo : public BagMethod {
 public:
  void describe(core::Options& options) override;
  void build(const train::Setup& setup) override;
  /// Bags once, before the first epoch: the teacher never changes.
  void before_epoch(const train::EpochContext& context) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return student_->backbone; }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return {{"projector", student_->head}}; }

 protected:
  torch::Tensor queries(const torch::Tensor& x) override;
  torch::Tensor keys(const torch::Tensor& x) override;

 private:
  std::string teacher_file_, mates_file_;
  std::int64_t hidden_ = 2048;
  std::shared_ptr<nn::Encoder<nn::Mlp>> student_, teacher_;
};

}  // namespace selfsight::methods
