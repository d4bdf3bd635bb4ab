#include "nn/tensor_view.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace selfsight::nn {

namespace {

constexpr std::array<std::pair<const char*, torch::ScalarType>, 10> dtypes = {{{"F64", torch::kFloat64},
                                                                               {"F32", torch::kFloat32},
                                                                               {"F16", torch::kFloat16},
                                                                               {"BF16", torch::kBFloat16},
                                                                               {"I64", torch::kInt64},
                                                                               {"I32", torch::kInt32},
                                                                               {"I16", torch::kInt16},
                                                                               {"I8", torch::kInt8},
                                                                               {"U8", torch::kUInt8},
                                                                               {"BOOL", torch::kBool}}};

}  // namespace

torch::Tensor tensor_of(const manifest::TensorView& view, const std::string& name) {
  const auto* type = std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& entry) { return view.dtype == entry.first; });
  if (type == dtypes.end()) core::fail(core::Exit::bad_data, "'{}' has the unknown type {}", name, view.dtype);
  torch::Tensor tensor = torch::empty(view.shape, type->second);
  if (!view.bytes.empty()) std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

manifest::TensorView view_of(const torch::Tensor& tensor, const std::string& name) {
  const auto* type = std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& entry) { return entry.second == tensor.scalar_type(); });
  if (type == dtypes.end())
    core::fail(core::Exit::internal, "'{}': tensors of type {} cannot be saved", name, c10::toString(tensor.scalar_type()));
  return {type->first, tensor.sizes().vec(), std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes())};
}

}  // namespace selfsight::nn
