#include "metrics/assignment.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace selfsight::metrics {

namespace {

using Index = std::size_t;
constexpr Index none = std::numeric_limits<Index>::max();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The state while rows are added one by one; rows <= columns.
struct Solver {
  std::span<const double> costs;
  Index rows, columns;
  std::vector<double> row_price, column_price, distance;
  std::vector<Index> row_of, column_of, parent, open;  ///< row_of[column], column_of[row]; none: free
  std::vector<bool> row_seen, column_seen;

  Solver(std::span<const double> c, Index m, Index n)
      : costs(c), rows(m), columns(n), row_price(m), column_price(n), distance(n), row_of(n, none), column_of(m, none), parent(n) {}

  /// Dijkstra from `start` to the nearest free column over reduced costs; returns that column and its distance.
  std::pair<Index, double> nearest_free(Index start) {
    row_seen.assign(rows, false), column_seen.assign(columns, false);
    std::fill(distance.begin(), distance.end(), infinity);
    // SciPy's order of columns, from the last to the first with the last of the list moved into each gap: it decides ties.
    open.resize(columns);
    for (Index j = 0; j < columns; ++j) open[j] = columns - 1 - j;
    double reached = 0;
    for (Index row = start;;) {
      row_seen[row] = true;
      double least = infinity;
      Index best = none;
      for (Index k = 0; k < open.size(); ++k) {
        const Index j = open[k];
        const double through = reached + costs[row * columns + j] - row_price[row] - column_price[j];
        if (through < distance[j]) distance[j] = through, parent[j] = row;
        if (distance[j] < least || (distance[j] == least && row_of[j] == none)) least = distance[j], best = k;
      }
      reached = least;
      const Index column = open[best];
      column_seen[column] = true;
      if (row_of[column] == none) return {column, reached};
      row = row_of[column];
      open[best] = open.back();
      open.pop_back();
    }
  }

  void add(Index start) {
    const auto [sink, reached] = nearest_free(start);
    row_price[start] += reached;
    for (Index i = 0; i < rows; ++i)
      if (row_seen[i] && i != start) row_price[i] += reached - distance[column_of[i]];
    for (Index j = 0; j < columns; ++j)
      if (column_seen[j]) column_price[j] -= reached - distance[j];
    for (Index column = sink, row = none; row != start;) {
      row = parent[column];
      row_of[column] = row;
      std::swap(column_of[row], column);
    }
  }
};

}  // namespace

std::vector<Match> assign(std::span<const double> costs, std::int64_t rows, std::int64_t columns) {
  if (rows < 0 || columns < 0 || costs.size() != static_cast<Index>(rows * columns))
    core::fail(core::Exit::internal, "{} costs for an assignment of {} x {}", costs.size(), rows, columns);
  if (!std::all_of(costs.begin(), costs.end(), [](double cost) { return std::isfinite(cost); }))
    core::fail(core::Exit::internal, "a cost of an assignment is not finite");
  const auto m = static_cast<Index>(rows), n = static_cast<Index>(columns);
  const bool turned = n < m;
  std::vector<double> transposed(turned ? costs.size() : 0);
  for (Index i = 0; turned && i < m; ++i)
    for (Index j = 0; j < n; ++j) transposed[j * m + i] = costs[i * n + j];
  Solver solver(turned ? transposed : costs, std::min(m, n), std::max(m, n));
  for (Index i = 0; i < solver.rows; ++i) solver.add(i);
  std::vector<Match> matches;
  for (Index i = 0; i < solver.rows; ++i) {
    const auto own = static_cast<std::int64_t>(i), other = static_cast<std::int64_t>(solver.column_of[i]);
    matches.push_back(turned ? Match{other, own} : Match{own, other});
  }
  std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.row < b.row; });
  return matches;
}

}  // namespace selfsight::metrics
