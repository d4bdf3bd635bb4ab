// Mates: for every sample a few others that stand in for it (BINGO's bags, HSA's semantic neighbours).
#pragma once

#include "data/plan.h"
#include "dist/ranks.h"
#include "libtorch.h"

namespace selfsight::train {

/// The k nearest other rows of each row of N x D by cosine, nearest first: N x k, int64, CPU. A row is left out of its own list by its
/// number, so duplicates of it stay in. All ranks have the features, and each looks at its part of the rows. Error: usage unless
/// 1 <= k < N.
torch::Tensor nearest_others(const torch::Tensor& features, std::int64_t k, const dist::Ranks& ranks = {});
/// k of the other rows with the same label for each row, drawn at random: each once as long as there are enough, then again; -1 for a row
/// that is alone. labels: N, int64. Returns N x k, int64, CPU. Error: usage unless k >= 1.
torch::Tensor others_of_label(const torch::Tensor& labels, std::int64_t k, std::uint64_t seed);

/// The table as a buffer, so that checkpoints hold it.
class Mates : public torch::nn::Module, public dist::RankAware {
 public:
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }
  /// Error: usage unless 1 <= per_sample < samples.
  Mates(std::int64_t samples, std::int64_t per_sample);
  /// From features of all samples, N x D.
  void find(const torch::Tensor& features);
  /// From labels of all samples (N, int64), of clusters: any others of the same one, where there are any; else the nearest.
  void of_label(const torch::Tensor& labels, const torch::Tensor& features, std::uint64_t seed);
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
  dist::Ranks ranks_;
};

}  // namespace selfsight::train
