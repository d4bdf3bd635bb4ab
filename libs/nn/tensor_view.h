// Between the tensors of files and LibTorch's.
#pragma once

#include "libtorch.h"
#include "manifest/safetensors.h"

namespace selfsight::nn {

/// A copy on the CPU. Error: bad_data, with `name`, for a type that LibTorch does not have.
torch::Tensor tensor_of(const manifest::TensorView& view, const std::string& name);
/// A view of a contiguous tensor on the CPU. Error: internal, with `name`, for a type that files do not have.
manifest::TensorView view_of(const torch::Tensor& tensor, const std::string& name);

}  // namespace selfsight::nn
