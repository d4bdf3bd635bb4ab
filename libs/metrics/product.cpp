#include "metrics/product.h"

#include <cstring>

namespace selfsight::metrics {

namespace {

// Vectors of GCC and Clang: the same lines for every width. CMakeLists.txt lets this file alone contract a * b + c into one instruction;
// what that changes in the last bit lies within the margin of the distances.
using Narrow = float __attribute__((vector_size(32)));
using Wide = float __attribute__((vector_size(64)));

/// rows x (2 vectors) of c, all in registers while k runs.
template <class Vector, int rows>
[[gnu::always_inline]] inline void block(const float* a, const float* b, std::int64_t depth, float* c, std::int64_t stride) {
  constexpr int width = sizeof(Vector) / sizeof(float);
  Vector sums[rows][2] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector b0, b1;
    std::memcpy(&b0, b + k * right_rows, sizeof b0);
    std::memcpy(&b1, b + k * right_rows + width, sizeof b1);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const float value = a[k * left_rows + i];
      sums[i][0] += value * b0;
      sums[i][1] += value * b1;
    }
  }
  for (int i = 0; i < rows; ++i)
    for (int half = 0; half < 2; ++half) {
      Vector old;
      std::memcpy(&old, c + i * stride + half * width, sizeof old);
      old += sums[i][half];
      std::memcpy(c + i * stride + half * width, &old, sizeof old);
    }
}

void narrow_product(const float* a, const float* b, std::int64_t depth, float* c, std::int64_t stride) {
  for (int right = 0; right < right_rows; right += 16)
    for (int left = 0; left < left_rows; left += 6) block<Narrow, 6>(a + left, b + right, depth, c + left * stride + right, stride);
}

#ifdef __x86_64__
[[gnu::target("avx512f")]] void wide_product(const float* a, const float* b, std::int64_t depth, float* c, std::int64_t stride) {
  block<Wide, left_rows>(a, b, depth, c, stride);
}
#endif

}  // namespace

std::vector<PanelProduct> panel_products() {
  std::vector<PanelProduct> out{narrow_product};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") != 0) out.push_back(wide_product);
#endif
  return out;
}

}  // namespace selfsight::metrics
