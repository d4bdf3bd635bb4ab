// What BINGO and HSA share: an anchor and a mate of every sample, two views of each, CutMix of the queries, and each positive contrasted
// alone with a queue of keys, at one or several depths of the network. The one's keys come from a teacher that never changes, the other's
// from a moving average.
#pragma once

#include "nn/queue.h"
#include "train/mates.h"
#include "train/method.h"

namespace selfsight::methods {

struct BagOptions {
  double temperature = 0.2;      ///< tau
  std::int64_t queue = 65536;    ///< |Q|, keys of anchors
  std::int64_t mates = 5;        ///< M, size of a bag
  std::int64_t cross_from = 11;  ///< epoch (from 0) in which (l1, l2) goes from (1, 0) to (0.5, 0.5)
  double mix_alpha = 2.0;        ///< of CutMix; 0: no mixture, and the divisor 2
  std::int64_t groups = 8;       ///< that batch normalisation of queries and shuffled keys keeps to
  data::Recipe view = data::moco_v2_recipe(224);
};

class BagMethod : public train::Method {
 public:
  void describe(core::Options& options) override;
  /// Anchor's query and key, mate's query and key.
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override;
  train::Outcome step(const train::Views& views, const train::Progress& progress) override;
  [[nodiscard]] data::EpochPlan plan(data::EpochPlan proposed, std::uint64_t seed, std::int64_t epoch) const override;
  void after_update(const train::Progress& progress) override;
  void after_skip(const train::Progress& progress) override;

 protected:
  /// Makes mates and one queue a level, each with its weight in the loss; batch normalisation of `trained` keeps to the groups. Error:
  /// usage for a batch that the groups do not divide, or a queue as long as the split (a sample's own key would be among its negatives).
  void build_bags(const train::Setup& setup, torch::nn::Module& trained, std::int64_t dim, std::vector<double> level_weights);
  /// Embeddings of all levels side by side, N x (levels * D).
  virtual torch::Tensor queries(const torch::Tensor& x) = 0;
  virtual torch::Tensor keys(const torch::Tensor& x) = 0;
  /// Finds the mates anew among features of the whole set, as stages of their own.
  void find_mates(const train::EpochContext& context, nn::Backbone& network);

  BagOptions bag_;
  std::shared_ptr<train::Mates> mates_;

 private:
  std::vector<std::shared_ptr<nn::Queue>> queues_;
  std::vector<double> weights_;
  torch::Tensor purity_;  ///< of the mates, where labels are known: for the log
};

}  // namespace selfsight::methods
