// The linear probe: one softmax layer on frozen features, its learning rate chosen on a held-out part of the training split.
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace selfsight::tasks {

struct LinearOptions {
  std::int64_t epochs = 30, batch = 256;
  std::vector<double> learning_rates = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0};  ///< at every batch size; cosine to 0
  double momentum = 0.9, weight_decay = 0.0;
  std::uint64_t seed = 0;
};

/// Hands an epoch's batches to `use`: features (B x D, standardised), labels (B, int64) and whether each sample may be seen by the heads
/// that are judged on the held-out part (B, bool).
using UseBatch = std::function<void(const torch::Tensor& features, const torch::Tensor& labels, const torch::Tensor& inside)>;
using LinearFeed = std::function<void(std::int64_t epoch, const UseBatch& use)>;

struct LinearFit {
  torch::Tensor weight, bias;  ///< D x C and C, trained on the whole training split with the chosen rate
  double learning_rate = 0;
  std::vector<double> held_out_accuracy;  ///< one a learning rate
};

/// SGD with momentum and a cosine over `epochs`, as MoCo's and DINO's linear evaluation. Every learning rate has two heads, all trained in
/// one pass over the batches: one never sees the held-out samples and is judged on them (held_x, held_y), its twin sees everything; the
/// twin of the best judged one is the result (of equals the lower rate). `steps` counts the batches of one epoch. Error: bad_data when no
/// rate gives a finite head. Several ranks share the rates: each needs the whole feed.
LinearFit train_linear(const LinearFeed& feed, std::int64_t steps, std::int64_t classes, const torch::Tensor& held_x,
                       const torch::Tensor& held_y, const LinearOptions& options, const dist::Ranks& ranks = {});

/// The feed for features that do not change: shuffled batches of x (N x D) and y (N); `inside` N bool. Sample n of epoch e stands where
/// (seed, e) put it.
LinearFeed fixed_feed(const torch::Tensor& x, const torch::Tensor& y, const torch::Tensor& inside, std::int64_t batch, std::uint64_t seed);

}  // namespace selfsight::tasks
