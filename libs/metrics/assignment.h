// Rectangular assignment: which proposal stands for which object.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace selfsight::metrics {

struct Match {
  std::int64_t row = 0, column = 0;
  bool operator==(const Match&) const = default;
};

/// The min(rows, columns) pairs of least total cost, each row and column used at most once, in the order of their rows. `costs`: rows x
/// columns, row-major, finite. Shortest augmenting paths (Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 2016),
/// O(n^3). Where several assignments are best, the choice is that of SciPy's linear_sum_assignment, which the official programs call.
/// Error: internal when the sizes do not fit or a cost is not finite.
std::vector<Match> assign(std::span<const double> costs, std::int64_t rows, std::int64_t columns);

}  // namespace selfsight::metrics
