// A matrix as the distance engine of metrics takes it.
#pragma once

#include "libtorch.h"
#include "metrics/distance.h"

namespace selfsight::nn {

/// The values of a contiguous float32 matrix on the CPU, not copied: `x` must outlive them.
inline metrics::Rows rows_of(const torch::Tensor& x) {
  return {{x.const_data_ptr<float>(), static_cast<std::size_t>(x.numel())}, x.size(0), x.size(1)};
}

}  // namespace selfsight::nn
