// A bank of one feature vector for each image of a data set, with cluster labels that move with it (InterCLR, arXiv 2008.11702,
// section 3.2; ODC, arXiv 2006.10645).
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>
#include <vector>

namespace selfsight::nn {

struct ClusterBankOptions {
  std::int64_t samples = 0, dim = 0, clusters = 0;
  double rate = 1.0;           ///< mu, weight of a new feature in F[n] <- norm((1 - mu) F[n] + mu k); 1: it takes the place of the old
  std::int64_t smallest = 20;  ///< clusters with fewer members are dissolved
  std::int64_t centroid_every = 10;  ///< commits from one computation of the centroids to the next
  std::int64_t small_every = 1;      ///< commits from one search for small clusters to the next
};

/// Features F (unit rows), labels y, centroids C (plain means) and the count of commits are buffers.
class ClusterBank : public torch::nn::Module, public dist::RankAware {
 public:
  /// Starts as zeros. Error: usage when `samples` cannot make `clusters` of at least `smallest`.
  explicit ClusterBank(const ClusterBankOptions& options);

  /// Fills the bank: features N x dim (normalised here), labels N of which each cluster has some; centroids are the means.
  void start(const torch::Tensor& features, const torch::Tensor& labels);
  [[nodiscard]] bool started() const { return started_.item<bool>(); }
  /// Labels N from elsewhere; features and centroids stay.
  void relabel(const torch::Tensor& labels) { labels_.copy_(labels); }

  /// Sets aside new features B x dim (normalised here) of the images `samples` (B), those of all ranks, and, unless `keep_labels`, their
  /// new labels: the centroid with the largest product. Where an image comes twice the last counts. Returns the share of labels that will
  /// change.
  torch::Tensor stage(const torch::Tensor& samples, const torch::Tensor& features, bool keep_labels = false);
  /// Takes in what was set aside; then, unless labels are kept, computes centroids and dissolves small clusters where their turn has come.
  void commit();
  void discard() { staged_.clear(); }
  /// True when the next commit computes the centroids anew.
  [[nodiscard]] bool centroids_due() const;

  /// Members of clusters below `smallest` go to the large cluster with the most similar centroid; each emptied label then gets a half of
  /// what is the largest cluster at that time (2-means; any halves when all its rows are the same). Centroids of split clusters follow.
  void dissolve_small();

  [[nodiscard]] const torch::Tensor& features() const { return features_; }    ///< samples x dim
  [[nodiscard]] const torch::Tensor& labels() const { return labels_; }        ///< samples, int64
  [[nodiscard]] const torch::Tensor& centroids() const { return centroids_; }  ///< clusters x dim
  [[nodiscard]] torch::Tensor sizes() const { return labels_.bincount({}, options_.clusters); }
  /// One member of the cluster of each of a rank's `labels` (B), at random, by torch's generator. Error: internal for an empty cluster.
  [[nodiscard]] torch::Tensor draw_members(const torch::Tensor& labels) const;
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }

 private:
  struct Staged {
    torch::Tensor samples, features, labels;  ///< labels undefined: they are kept
  };
  void compute_centroids();

  ClusterBankOptions options_;
  torch::Tensor features_, labels_, centroids_, commits_, started_;
  std::vector<Staged> staged_;
  dist::Ranks ranks_;
};

/// Share (0 to 1) of the samples whose class is the most frequent one of their cluster; samples of class -1 are left out. NaN without any.
double purity(const torch::Tensor& labels, const torch::Tensor& classes);

}  // namespace selfsight::nn
