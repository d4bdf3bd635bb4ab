// relu(batch_norm(x) + residual) in one operation, where a GPU has one.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

/// Whether norm_relu() takes `x`: 4-D on a GPU in channels-last memory, channels in whole packs of 16 bytes; never in a build without CUDA.
bool norm_relu_takes(const torch::Tensor& x);

/// As torch's batch normalisation of a training batch with gain and bias (float32, C each), running statistics updated and the batch
/// counted, then plus `residual` (as x, or undefined), then ReLU; with gradient for x, gain, bias and residual. Sums are in float32 or
/// more.
torch::Tensor norm_relu(const torch::Tensor& x, const torch::Tensor& gain, const torch::Tensor& bias, const torch::Tensor& residual,
                        const torch::Tensor& running_mean, const torch::Tensor& running_var, const torch::Tensor& batches, double momentum,
                        double eps);

}  // namespace selfsight::nn
