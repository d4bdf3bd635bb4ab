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
  std::vector<torch::Tensor> live_, kept_;
};

}  // namespace selfsight::nn
