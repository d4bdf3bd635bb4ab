// InterCLR: Xie et al., Delving into Inter-Image Invariance for Unsupervised Visual Representations, IJCV 130(12), 2022, arXiv 2008.11702.
//
// Reading: clustering before an epoch embeds the set by the key encoder, whose features fill the bank (the release takes the query's).
#pragma once

#include "methods/moco.h"
#include "nn/cluster_bank.h"

namespace selfsight::methods {

struct InterclrOptions {
  double intra = 0.75, inter = 0.25;    ///< weights of the two losses
  std::int64_t clusters = 10000;        ///< K; 0: one for 128 images
  std::int64_t kmeans_iterations = 20;  ///< of the clustering of the whole set
  std::string labels = "online";        ///< or "epoch": k-means anew before every epoch
  std::int64_t smallest = 20;           ///< members of a cluster
  std::int64_t centroid_every = 10, small_every = 1;
  double rate = 1.0;                     ///< mu of the bank
  std::string negatives = "semi-hard";   ///< how they are drawn
  std::int64_t pool = 128000;            ///< nearest (or farthest) images that they are drawn from; 0: a tenth of all
  std::int64_t count = 16384;            ///< of them; 0: an eighth of the pool
  double margin = -0.5, arc_margin = 0;  ///< m, m_arc on the positive
  bool separate_heads = false;
};

/// Which images of a bank are negatives of each query.
struct Negatives {
  torch::Tensor index;    ///< B x count
  torch::Tensor allowed;  ///< B x count, bool: false where the label is the query's own after all
};
/// Section 3.3. q: B x D unit rows; y: their labels (B). `strategy`: "random" (of all images), "semi-hard" (of the `pool` most similar),
/// "semi-easy" (of the `pool` least similar): drawn, those of the query's label again, up to 20 times (an image may come more than once, as
/// in the release); "hard": the most similar ones of other labels, most similar first. What cannot be filled is not allowed.
Negatives draw_negatives(const torch::Tensor& q, const torch::Tensor& y, const torch::Tensor& features, const torch::Tensor& labels,
                         const std::string& strategy, std::int64_t pool, std::int64_t count, const dist::Ranks& ranks = {});

/// -log( exp(s/tau) / (exp(s/tau) + sum over allowed j of exp(q.F_j/tau)) ), mean over rows, with s = cos(theta + arc_margin) - margin and
/// cos(theta) = q.p. q, positives: B x D; negatives: B x count x D. Beyond theta + arc_margin = 0 or pi the cosine goes on as a line (as
/// released). Gradients reach q alone.
torch::Tensor inter_loss(const torch::Tensor& q, const torch::Tensor& positives, const torch::Tensor& negatives,
                         const torch::Tensor& allowed, double tau, double margin, double arc_margin = 0);

/// MoCo v2, unchanged, as the branch within images, with a second branch between images of one online cluster.
class Interclr : public Moco {
 public:
  void describe(core::Options& options) override;
  void build(const train::Setup& setup) override;
  void before_epoch(const train::EpochContext& context) override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  /// The second branch must know which images the queries are of, so only step() makes the whole loss.
  [[nodiscard]] bool compares_any_pair() const override { return false; }
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress& progress) override;

 private:
  /// What the branch within images and the one between images compare.
  [[nodiscard]] std::pair<Pair, Pair> encode_both(const torch::Tensor& a, const torch::Tensor& b, const train::Progress& progress);
  [[nodiscard]] torch::Tensor between_images(const torch::Tensor& query, const torch::Tensor& samples) const;

  InterclrOptions inter_;
  std::int64_t clusters_ = 0, pool_ = 0, count_ = 0;  ///< for this data set
  std::uint64_t seed_ = 0;
  std::shared_ptr<nn::Mlp> query_head_, key_head_;  ///< of the second branch, when it has its own
  std::shared_ptr<nn::ClusterBank> bank_;
  torch::Tensor classes_;  ///< of all images, -1 unknown: for the purity of the labels
};

}  // namespace selfsight::methods
