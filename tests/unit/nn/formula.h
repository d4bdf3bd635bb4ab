// Weights and inputs by formula, the same as in parity/nn/formula.py.
#pragma once

#include "nn/state.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>

namespace formula {

inline torch::Tensor noise(const std::string& name, std::vector<std::int64_t> shape) {
  std::uint32_t h = 0x811C9DC5U;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x01000193U;
  const auto count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  torch::Tensor out = torch::empty({count}, torch::kFloat64);
  auto* values = out.data_ptr<double>();
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t x = h ^ (static_cast<std::uint32_t>(i) * 0x9E3779B1U);
    x ^= x >> 16;
    x *= 0x85EBCA6BU;
    x ^= x >> 13;
    x *= 0xC2B2AE35U;
    x ^= x >> 16;
    values[i] = x / 4294967296.0 - 0.5;
  }
  return out.view(shape);
}

inline void fill(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : selfsight::nn::named_state(module)) {
    if (name.ends_with("num_batches_tracked")) continue;
    torch::Tensor u = noise(name, tensor.sizes().vec());
    if (tensor.dim() == 3) {
      u = 0.4 * u;
    } else if (tensor.dim() > 1) {
      u = u * 3.5 / std::sqrt(static_cast<double>(tensor.numel()) / static_cast<double>(tensor.size(0)));
    } else if (name.ends_with("running_var") || name.ends_with("weight")) {
      u = 1.0 + 0.5 * u;
    } else {
      u = 0.5 * u;
    }
    torch::Tensor(tensor).copy_(u);
  }
}

/// 16 values, evenly spaced.
inline torch::Tensor sample(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().flatten();
  return flat.index_select(0, torch::linspace(0, static_cast<double>(flat.numel() - 1), 16).to(torch::kInt64)).to(torch::kFloat64);
}

inline double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

inline torch::Tensor values(const nlohmann::json& list) { return torch::tensor(list.get<std::vector<double>>(), torch::kFloat64); }

/// The sample of `got` against that of a fixture.
inline void check_close(const torch::Tensor& got, const nlohmann::json& sampled) {
  const torch::Tensor expected = values(sampled);
  CHECK(largest_difference(sample(got), expected) < 1e-4 * std::max(1.0, expected.abs().max().item<double>()));
}

}  // namespace formula
