// Mates: for every sample a few others that stand in for it (BINGO's bags, HSA's semantic neighbours).
#pragma once

#include "data/plan.h"
#include "libtorch.h"

namespace selfsight::train {

/// The k nearest other rows of each row of N x D by cosine, nearest first: N x k, int64, CPU. A row is left out of its own list by its
/// number, so duplicates of it stay in. Error: usage unless 1 <= k < N.
torch::Tensor nearest_others(const torch::Tensor& features, std::int64_t k);

/// The table as a buffer, so that checkpoints hold it.
class Mates : public torch::nn::Module {
 public:
  /// Error: usage unless 1 <= per_sample < samples.
  Mates(std::int64_t samples, std::int64_t per_sample);
  /// From features of all samples, N x D.
  void find(const torch::Tensor& features);
  /// From a plan's table. Error: usage for another number of samples; what per_sample says there holds from then on.
  void set(const data::MatesTable& table);
  /// Gives every draw of a plan a mate, uniformly from its row.
  void draw(data::EpochPlan& plan, std::uint64_t seed, std::int64_t epoch) const;
  /// samples x per sample.
  [[nodiscard]] const torch::Tensor& table() const { return table_; }
  /// Share of mates that have the label of their sample (N int64, -1 unknown); not a number when no pair is labelled.
  [[nodiscard]] double purity(const torch::Tensor& labels) const;

 private:
  torch::Tensor table_;
};

}  // namespace selfsight::train
