// Guards and gauges beside the loss: collapse, non-finite losses, online kNN.
#pragma once

#include "train/method.h"

#include <optional>
#include <string>

namespace selfsight::train {

/// Watches the spread of the embeddings and the loss for collapse and divergence and says so in words, once for each time that it lasts.
class CollapseMonitor {
 public:
  /// `embedding`: N x D. Returns the mean over dimensions of the standard deviation of the L2-normalised rows times sqrt(D): 1 for rows
  /// spread evenly over the sphere, 0 when all are the same (the gauge of SimSiam, section 4.1).
  double spread(const torch::Tensor& embedding);
  /// A sentence when something looks collapsed, after `patience` looks in a row, or the loss has grown; nullopt otherwise.
  std::optional<std::string> look(double spread, double loss, double uniform_loss);
  /// The first finite loss that was looked at, without its sign: a checkpoint keeps it.
  [[nodiscard]] const std::optional<double>& first_loss() const { return first_loss_; }
  void set_first_loss(std::optional<double> loss) { first_loss_ = loss; }

 private:
  static constexpr int patience = 20, patience_grown = 3;
  static constexpr double grown = 100;  ///< times the first loss
  int low_ = 0, uniform_ = 0, grown_ = 0;
  std::optional<double> first_loss_;
};

/// kNN accuracy of the features during training, on a fixed part of the training split: a bank and queries, no image in both.
class OnlineKnn {
 public:
  /// Draws up to `bank` + `queries` labelled samples. Without labels `usable()` is false.
  OnlineKnn(std::shared_ptr<const data::Source> source, std::int64_t bank, std::int64_t queries, std::int64_t k, double temperature,
            std::uint64_t seed);
  [[nodiscard]] bool usable() const { return !bank_.empty(); }
  struct Result {
    double accuracy = 0;        ///< share of queries, 0..1
    double effective_rank = 0;  ///< of the queries' features
    double spread = 0;          ///< as CollapseMonitor::spread
  };
  Result evaluate(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size, const torch::Device& device,
                  const EmbedOptions& options) const;

 private:
  std::shared_ptr<const data::Source> source_;
  std::vector<std::int64_t> bank_, queries_;
  std::int64_t k_, classes_ = 0;
  double temperature_;
};

}  // namespace selfsight::train
