// Gradients of all ranks averaged while the backward pass is still at work: LibTorch's own Reducer, in buckets.
#pragma once

#include "dist/ranks.h"

#include <memory>
#include <vector>

namespace c10d {
class Reducer;
}

namespace selfsight::dist {

/// All parameters that get gradients, in the order of the network.
std::vector<torch::Tensor> trainable(const torch::nn::Module& network);

class GradientReducer {
 public:
  /// `parameters`: those that are trainable; alike on all ranks. Alone it does nothing.
  GradientReducer(const Ranks& ranks, const std::vector<torch::Tensor>& parameters);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// To be called with the loss before the backward pass whose gradients (with those that were there before it) are to be averaged; of
  /// batches that are accumulated only before the last one's. A parameter that no rank's loss depends on stays without a gradient.
  void before_backward(const torch::Tensor& loss);

 private:
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace selfsight::dist
