// The innermost part of the distance engine: products of packed rows, compiled for several instruction sets and chosen at run time.
#pragma once

#include <cstdint>
#include <vector>

namespace selfsight::metrics {

/// Rows of a left and of a right panel.
inline constexpr std::int64_t left_rows = 12, right_rows = 32;
/// Elements of a row that are summed in one go: the panels then stay in the first-level cache, and a sum has this many roundings at most.
inline constexpr std::int64_t product_depth = 256;

/// c[i][j] += sum over k < depth of a[k][i] * b[k][j], for panels a[depth][left_rows] and b[depth][right_rows]; `stride` is c's row length.
using PanelProduct = void (*)(const float* a, const float* b, std::int64_t depth, float* c, std::int64_t stride);
/// Those that this processor runs, the fastest last.
std::vector<PanelProduct> panel_products();

}  // namespace selfsight::metrics
