// Bags of visual words over a vocabulary that is renewed all the time (OBoW, arXiv 2012.11552, section 3.2).
#pragma once

#include "nn/queue.h"

namespace selfsight::nn {

struct VocabularyOptions {
  std::int64_t words = 8192, dim = 0;  ///< of W
  double kappa = 15;                   ///< kappa_d: sharpness of the codes, divided by mu
  double distance = 0.5;               ///< mu at the start
  double momentum = 0.99;              ///< of mu; 1: it stays as it is
  std::string pool = "max";            ///< how the codes of a map's places become its bag: "max" or "mean"
  std::string word = "local";  ///< the vector that a map gives to W: "local" (the mean of 3 x 3 neighbours), "place", "global" (the mean)
  bool fixed = false;          ///< once full, W stays as it is
};

/// W (words x dim: raw feature vectors in a ring) and mu, the moving average of the squared distance from a place to its nearest word, as
/// buffers, alike on all ranks. What a step brings is set aside, and enters at the commit: target and prediction of one step see the same
/// W.
class Vocabulary : public torch::nn::Module, public dist::RankAware {
 public:
  /// W starts as max(0, normal noise). Error: usage for sizes below 1.
  explicit Vocabulary(const VocabularyOptions& options);

  /// Bags of maps N x dim x h x w: N x words, rows sum to 1, float32 or better, no gradient. With d the squared distances of a place from
  /// the words, its codes are softmax(-kappa/mu d); the bag is their maximum (or mean) over the places, divided by its sum. In training
  /// mode mu moves first (and is set aside for the commit).
  torch::Tensor bags(const torch::Tensor& maps);
  /// Sets aside one vector of each map for W, at a random place. A map smaller than 3 is averaged over its whole side.
  void stage(const torch::Tensor& maps);
  /// What was set aside takes effect, or is forgotten.
  void commit();
  void discard();

  /// words x dim.
  [[nodiscard]] const torch::Tensor& words() const { return ring_->rows(); }
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }
  [[nodiscard]] double mean_distance() const { return distance_.item<double>(); }

 private:
  VocabularyOptions options_;
  dist::Ranks ranks_;
  std::shared_ptr<Queue> ring_;
  torch::Tensor distance_, next_distance_;  ///< mu; what it becomes at the commit, undefined when nothing is set aside
};

/// exp of the entropy of each row of N x words (rows sum to 1), mean over rows: how many words an image uses. Of the mean row: how many the
/// whole batch does.
torch::Tensor perplexity(const torch::Tensor& bags);

}  // namespace selfsight::nn
