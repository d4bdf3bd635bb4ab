#include "metrics/distance.h"

#include "core/rng.h"
#include "metrics/product.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace selfsight;
using metrics::Distance;

namespace {

struct Set {
  std::vector<float> values;
  std::int64_t count, dim;
  [[nodiscard]] metrics::Rows rows() const { return {values, count, dim}; }
};

/// Rows that share a large common part, as features of one network do.
Set shared_part(std::int64_t count, std::int64_t dim, std::uint64_t seed, double common, double scale = 1) {
  core::Rng rng(seed, core::Stream::test);
  Set out{{}, count, dim};
  for (std::int64_t i = 0; i < count * dim; ++i) out.values.push_back(static_cast<float>(scale * (common + rng.normal())));
  return out;
}

long double plain(const Set& a, std::int64_t i, const Set& b, std::int64_t j, Distance distance) {
  long double dot = 0, aa = 0, bb = 0, squared = 0;
  for (std::int64_t k = 0; k < a.dim; ++k) {
    const long double x = a.values[static_cast<std::size_t>(i * a.dim + k)], y = b.values[static_cast<std::size_t>(j * b.dim + k)];
    dot += x * y;
    aa += x * x;
    bb += y * y;
    squared += (x - y) * (x - y);
  }
  return distance == Distance::cosine ? 1 - dot / std::sqrt(aa * bb) : squared;
}

}  // namespace

TEST_CASE("every value is there once and within the margin, whatever the shape, the memory and the common part") {
  for (const auto distance : {Distance::euclidean, Distance::cosine})
    for (const double common : {0.0, 30.0})
      for (const double scale : {1e-18, 1.0, 1e12})
        for (const auto& [queries, items, dim] :
             {std::tuple(1, 1, 1), std::tuple(13, 33, 7), std::tuple(100, 300, 257), std::tuple(5, 600, 700)}) {
          const Set q = shared_part(queries, dim, 1, common, scale), g = shared_part(items, dim, 2, common, scale);
          const metrics::ExactDistance exact(q.rows(), g.rows(), distance, 1);
          for (const std::uint64_t memory : {std::uint64_t{0}, std::uint64_t{1} << 20, std::uint64_t{1} << 28}) {
            std::vector<int> seen(static_cast<std::size_t>(queries));
            metrics::for_each_row(exact, {2, memory}, [&](metrics::DistanceRow& row) {
              ++seen[static_cast<std::size_t>(row.query)];
              bool close = row.approximate.size() == static_cast<std::size_t>(g.count);
              for (std::int64_t j = 0; j < g.count; ++j) {
                const auto truth = static_cast<double>(plain(q, row.query, g, j, distance));
                close &= std::fabs(static_cast<double>(row.approximate[static_cast<std::size_t>(j)]) - truth) <= row.margin;
                close &= std::fabs(row.exact(j) - truth) <= (distance == Distance::cosine ? 1e-13 : 1e-13 * truth + 1e-60);
              }
              CHECK(close);
            });
            CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
          }
        }
}

TEST_CASE("the margin is of use: some values in a thousand at most are not told apart") {
  const Set q = shared_part(4, 512, 3, 5), g = shared_part(2000, 512, 4, 5);
  const metrics::ExactDistance exact(q.rows(), g.rows(), Distance::euclidean, 1);
  metrics::for_each_row(exact, {}, [&](metrics::DistanceRow& row) {
    const double middle = row.exact(7);
    const auto unsure = std::count_if(row.approximate.begin(), row.approximate.end(),
                                      [&](float value) { return std::fabs(static_cast<double>(value) - middle) <= row.margin; });
    CHECK(unsure <= 4);
  });
}

TEST_CASE("the nearest are those of float64, equal ones in the order of the gallery") {
  Set g = shared_part(500, 40, 5, 10);
  for (const std::int64_t copy : {100, 200, 300}) std::copy_n(g.values.begin() + 50 * 40, 40, g.values.begin() + copy * 40);
  const metrics::ExactDistance exact(g.rows(), g.rows(), Distance::euclidean, 1);
  metrics::for_each_row(exact, {2}, [&](metrics::DistanceRow& row) {
    std::vector<std::int64_t> order(500);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return row.exact(a) < row.exact(b); });
    for (const std::int64_t k : {0, 1, 5, 500, 900}) {
      const auto nearest = row.nearest(k);
      REQUIRE(nearest.size() == static_cast<std::size_t>(std::min<std::int64_t>(k, 500)));
      CHECK(std::equal(nearest.begin(), nearest.end(), order.begin()));
    }
    if (row.query == 50) CHECK(row.nearest(4) == std::vector<std::int64_t>{50, 100, 200, 300});
    row.approximate[static_cast<std::size_t>(order[0])] = std::numeric_limits<float>::infinity();
    CHECK(row.nearest(1).front() == order[1]);
  });
}

TEST_CASE("rows that cannot be ranked are found") {
  Set s = shared_part(200, 9, 6, 0);
  CHECK(metrics::unrankable_row(s.rows(), Distance::cosine, 2) == -1);
  std::fill_n(s.values.begin() + 150 * 9, 9, 0.0F);
  CHECK(metrics::unrankable_row(s.rows(), Distance::euclidean, 2) == -1);
  CHECK(metrics::unrankable_row(s.rows(), Distance::cosine, 2) == 150);
  s.values[120 * 9 + 3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(metrics::unrankable_row(s.rows(), Distance::euclidean, 2) == 120);
  s.values[7 * 9] = -std::numeric_limits<float>::infinity();
  CHECK(metrics::unrankable_row(s.rows(), Distance::euclidean, 2) == 7);
  s.values[0] = 1e16F;
  CHECK(metrics::unrankable_row(s.rows(), Distance::euclidean, 2) == 0);
}

TEST_CASE("every panel product that this processor runs gives the sums") {
  std::vector<float> a, b;
  core::Rng rng(7, core::Stream::test);
  constexpr std::int64_t depth = 100, stride = metrics::right_rows + 3;
  for (std::int64_t i = 0; i < depth * metrics::left_rows; ++i) a.push_back(static_cast<float>(rng.below(9)) - 4);
  for (std::int64_t i = 0; i < depth * metrics::right_rows; ++i) b.push_back(static_cast<float>(rng.below(9)) - 4);
  for (const auto product : metrics::panel_products()) {
    std::vector<float> c(static_cast<std::size_t>(metrics::left_rows * stride), 1);
    product(a.data(), b.data(), depth, c.data(), stride);
    bool same = true;
    for (std::int64_t i = 0; i < metrics::left_rows; ++i)
      for (std::int64_t j = 0; j < stride; ++j) {
        float sum = 1;
        for (std::int64_t k = 0; k < depth && j < metrics::right_rows; ++k)
          sum += a[static_cast<std::size_t>(k * metrics::left_rows + i)] * b[static_cast<std::size_t>(k * metrics::right_rows + j)];
        same &= c[static_cast<std::size_t>(i * stride + j)] == sum;  // small whole numbers: exact in any order
      }
    CHECK(same);
  }
}
