// What 'kmeans' and its peer cluster (50,000 unit rows of 512 values around 1,000 centres, and 5,000 queries), and the line that they
// print.
#pragma once

#include "core/rng.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <vector>

namespace bench {

constexpr std::int64_t rows = 50000, queries = 5000, dim = 512, clusters = 1000, iterations = 25, neighbours = 20;

inline std::vector<float> features(std::int64_t count, std::uint64_t seed) {
  std::vector<float> centres(static_cast<std::size_t>(clusters * dim)), out(static_cast<std::size_t>(count * dim));
  selfsight::core::Rng rng(1, selfsight::core::Stream::test);
  for (auto& value : centres) value = static_cast<float>(rng.normal());
  selfsight::core::Rng noise(seed, selfsight::core::Stream::test, 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const float* centre = centres.data() + static_cast<std::int64_t>(noise.below(clusters)) * dim;
    float* row = out.data() + i * dim;
    double square = 0;
    for (std::int64_t j = 0; j < dim; ++j) {
      row[j] = centre[j] + 2 * static_cast<float>(noise.normal());
      square += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
    for (std::int64_t j = 0; j < dim; ++j) row[j] /= static_cast<float>(std::sqrt(square));
  }
  return out;
}

/// Of all threads.
inline double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

inline void print(double seconds, double processor, double inertia, double search, double search_processor, double distance) {
  std::printf(
      "{\"seconds\": %.3f, \"processor\": %.3f, \"inertia\": %.2f, \"search\": %.3f, \"search_processor\": %.3f, \"distance\": %.6f}\n",
      seconds, processor, inertia, search, search_processor, distance);
  std::fflush(stdout);
}

}  // namespace bench
