#include "nn/cutmix.h"

#include <algorithm>
#include <cmath>

namespace selfsight::nn {

Mixed cut_mix(const torch::Tensor& a, const torch::Tensor& b, double share, std::int64_t y, std::int64_t x) {
  const std::int64_t height = a.size(2), width = a.size(3);
  const double side = std::sqrt(1.0 - share);
  const auto h = static_cast<std::int64_t>(static_cast<double>(height) * side),
             w = static_cast<std::int64_t>(static_cast<double>(width) * side);
  const std::int64_t top = std::clamp<std::int64_t>(y - h / 2, 0, height), bottom = std::clamp<std::int64_t>(y + h / 2, 0, height);
  const std::int64_t left = std::clamp<std::int64_t>(x - w / 2, 0, width), right = std::clamp<std::int64_t>(x + w / 2, 0, width);
  Mixed out{a.clone(), 1.0 - static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(height * width)};
  out.images.slice(2, top, bottom).slice(3, left, right).copy_(b.slice(2, top, bottom).slice(3, left, right));
  return out;
}

Mixed cut_mix(const torch::Tensor& a, const torch::Tensor& b, double alpha, core::Rng& rng) {
  const double share = rng.beta(alpha, alpha);
  const auto y = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(a.size(2))));
  const auto x = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(a.size(3))));
  return cut_mix(a, b, share, y, x);
}

}  // namespace selfsight::nn
