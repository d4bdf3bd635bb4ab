#include "metrics/assignment.h"

#include "core/error.h"
#include "core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>

using namespace selfsight;
using metrics::assign;
using metrics::Match;

namespace {

double total(const std::vector<double>& costs, std::int64_t columns, const std::vector<Match>& matches) {
  double sum = 0;
  for (const Match& m : matches) sum += costs[static_cast<std::size_t>(m.row * columns + m.column)];
  return sum;
}

/// The least total by trying every way to use the smaller side.
double least_by_force(const std::vector<double>& costs, std::size_t rows, std::size_t columns) {
  const bool turned = columns < rows;
  const std::size_t m = std::min(rows, columns), n = std::max(rows, columns);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::size_t i = 0; i < m; ++i) sum += turned ? costs[order[i] * columns + i] : costs[i * columns + order[i]];
    best = std::min(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace

TEST_CASE("an assignment costs as little as the best of all, for any shape, with ties and without") {
  core::Rng rng(1, core::Stream::test);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t rows = 1 + rng.below(6), columns = 1 + rng.below(6);
    std::vector<double> costs(rows * columns);
    for (double& cost : costs) cost = round % 2 == 0 ? rng.normal() : static_cast<double>(rng.below(4));
    const auto matches = assign(costs, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns));
    REQUIRE(matches.size() == std::min(rows, columns));
    std::vector<bool> used(columns);
    for (std::size_t k = 0; k < matches.size(); ++k) {
      if (k > 0) REQUIRE(matches[k - 1].row < matches[k].row);
      REQUIRE_FALSE(used[static_cast<std::size_t>(matches[k].column)]);
      used[static_cast<std::size_t>(matches[k].column)] = true;
    }
    REQUIRE(total(costs, static_cast<std::int64_t>(columns), matches) == doctest::Approx(least_by_force(costs, rows, columns)));
  }
}

TEST_CASE("ties are decided as SciPy decides them") {
  // scipy.optimize.linear_sum_assignment 1.17 on these: the columns it returns.
  const auto columns_of = [](const std::vector<double>& costs, std::int64_t rows, std::int64_t columns) {
    std::vector<std::int64_t> out;
    for (const Match& m : assign(costs, rows, columns)) out.push_back(m.row * 10 + m.column);
    return out;
  };
  using Pairs = std::vector<std::int64_t>;
  CHECK(columns_of(std::vector<double>(9, 1.0), 3, 3) == Pairs{0, 11, 22});
  CHECK(columns_of(std::vector<double>(12, 0.0), 4, 3) == Pairs{0, 11, 22});
  CHECK(columns_of(std::vector<double>(12, 0.0), 3, 4) == Pairs{0, 11, 22});
  CHECK(columns_of({1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1}, 4, 3) == Pairs{1, 12, 20});
  CHECK(columns_of({2, 1, 2, 1, 1, 2, 2, 2, 1, 1, 2, 1, 2, 2, 1}, 3, 5) == Pairs{1, 13, 24});
}

TEST_CASE("nothing to assign, and what cannot be assigned") {
  CHECK(assign({}, 0, 5).empty());
  CHECK(assign({}, 3, 0).empty());
  CHECK_THROWS_AS(assign(std::vector<double>{1, 2, 3}, 2, 2), core::Error);
  CHECK_THROWS_AS(assign(std::vector<double>{std::numeric_limits<double>::quiet_NaN()}, 1, 1), core::Error);
}
