// The running statistics of a module's batch normalisations: what a forward pass changes even when nothing comes of it.
#pragma once

#include "libtorch.h"

#include <vector>

namespace selfsight::nn {

class NormStatistics {
 public:
  /// Finds every running mean, variance and counter of `module` and its submodules.
  explicit NormStatistics(const torch::nn::Module& module);
  /// Remembers them as they are now.
  void keep();
  /// Puts back what keep() remembered last.
  void restore();

 private:
  /// Of one kind, so that a GPU copies them all in one launch.
  struct Tensors {
    std::vector<torch::Tensor> live, kept;
  };
  Tensors statistics_, counters_;
};

}  // namespace selfsight::nn
