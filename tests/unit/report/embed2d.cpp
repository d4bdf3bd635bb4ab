#include "report/embed2d.h"

#include "core/error.h"
#include "core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace selfsight;
using namespace selfsight::report;

namespace {

/// Three Gaussian blobs far apart in ten dimensions; row i is of blob i % 3.
std::vector<double> blobs(std::int64_t count) {
  core::Rng rng(5, core::Stream::test);
  std::vector<double> x;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < 10; ++d) x.push_back(rng.normal() + (d == i % 3 ? 20 : 0));
  }
  return x;
}

}  // namespace

TEST_CASE("principal components of a 2-D set are those of its 2 x 2 covariance") {
  // Points on an ellipse with half axes 3 and 1 turned by 30 degrees, at equal angles: the covariance is exact.
  const double angle = std::acos(-1.0) / 6;
  constexpr std::int64_t count = 60;
  std::vector<float> x;
  for (std::int64_t i = 0; i < count; ++i) {
    const double t = 2 * std::acos(-1.0) * static_cast<double>(i) / count, a = 3 * std::cos(t), b = std::sin(t);
    x.push_back(static_cast<float>(5 + a * std::cos(angle) - b * std::sin(angle)));
    x.push_back(static_cast<float>(-2 + a * std::sin(angle) + b * std::cos(angle)));
  }
  const Pca result = pca(x, count, 2, 5, 2);
  REQUIRE(result.variances.size() == 2);
  CHECK(result.mean[0] == doctest::Approx(5));
  CHECK(result.mean[1] == doctest::Approx(-2));
  CHECK(result.variances[0] == doctest::Approx(4.5 * count / (count - 1)).epsilon(1e-5));
  CHECK(result.variances[1] == doctest::Approx(0.5 * count / (count - 1)).epsilon(1e-5));
  CHECK(result.components[0] == doctest::Approx(std::cos(angle)).epsilon(1e-5));
  CHECK(result.components[1] == doctest::Approx(std::sin(angle)).epsilon(1e-5));
  CHECK(result.share(1) == doctest::Approx(0.9).epsilon(1e-5));
  CHECK(result.scores[0] == doctest::Approx(3).epsilon(1e-5));
}

TEST_CASE("fewer rows than dimensions give the same components as the covariance would") {
  // 40 rows in 90 dimensions: two strong directions of known variance, weak noise.
  constexpr std::int64_t count = 40, dims = 90;
  core::Rng rng(3, core::Stream::test);
  std::vector<float> x(count * dims);
  for (float& value : x) value = static_cast<float>(0.01 * rng.normal());
  for (std::int64_t i = 0; i < count; ++i) {
    x[static_cast<std::size_t>(i * dims + 7)] += static_cast<float>(i % 2 == 0 ? 10 : -10);
    x[static_cast<std::size_t>(i * dims + 80)] += static_cast<float>(i % 4 < 2 ? 3 : -3);
  }
  const Pca wide = pca(x, count, dims, 2, 2);
  CHECK(std::abs(wide.components[7]) == doctest::Approx(1).epsilon(1e-3));
  CHECK(std::abs(wide.components[dims + 80]) == doctest::Approx(1).epsilon(1e-3));
  CHECK(wide.variances[0] == doctest::Approx(100.0 * count / (count - 1)).epsilon(5e-3));
  CHECK(wide.variances[1] == doctest::Approx(9.0 * count / (count - 1)).epsilon(5e-3));
  // Repeated rows leave the components alone and turn the problem into the tall one.
  std::vector<float> repeated;
  for (int copy = 0; copy < 3; ++copy) repeated.insert(repeated.end(), x.begin(), x.end());
  const Pca tall = pca(repeated, 3 * count, dims, 2, 1);
  for (std::size_t i = 0; i < wide.components.size(); ++i) CHECK(tall.components[i] == doctest::Approx(wide.components[i]).epsilon(1e-4));
}

TEST_CASE("components are orthonormal and their variances those of the scores") {
  core::Rng rng(9, core::Stream::test);
  constexpr std::int64_t count = 300, dims = 64, keep = 20;
  std::vector<float> x;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t d = 0; d < dims; ++d) x.push_back(static_cast<float>(rng.normal() / (1.0 + 0.2 * static_cast<double>(d))));
  }
  const Pca one = pca(x, count, dims, keep, 1), two = pca(x, count, dims, keep, 2);
  CHECK(one.scores == two.scores);
  for (std::int64_t a = 0; a < keep; ++a) {
    for (std::int64_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (std::int64_t d = 0; d < dims; ++d)
        dot += one.components[static_cast<std::size_t>(a * dims + d)] * one.components[static_cast<std::size_t>(b * dims + d)];
      CHECK(dot == doctest::Approx(a == b ? 1 : 0).epsilon(1e-6));
    }
    double square = 0;
    for (std::int64_t i = 0; i < count; ++i) square += std::pow(one.scores[static_cast<std::size_t>(i * keep + a)], 2);
    CHECK(square / (count - 1) == doctest::Approx(one.variances[static_cast<std::size_t>(a)]).epsilon(1e-6));
  }
  CHECK(std::is_sorted(one.variances.rbegin(), one.variances.rend()));
}

TEST_CASE("t-SNE keeps separate blobs apart, and gives the same bytes for any number of threads") {
  constexpr std::int64_t count = 180;
  const auto x = blobs(count);
  std::vector<double> start;
  for (std::int64_t i = 0; i < count; ++i)
    start.insert(start.end(), {x[static_cast<std::size_t>(10 * i)], x[static_cast<std::size_t>(10 * i + 1)]});
  TsneOptions options;
  options.perplexity = 15;
  const Tsne one = tsne(x, count, 10, start, options);
  options.threads = 2;
  const Tsne two = tsne(x, count, 10, start, options);
  CHECK(one.y == two.y);
  CHECK(one.divergence > 0);
  CHECK(one.divergence < 1.5);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::pair<double, std::int64_t>> near;
    for (std::int64_t j = 0; j < count; ++j) {
      const double dx = one.y[static_cast<std::size_t>(2 * i)] - one.y[static_cast<std::size_t>(2 * j)];
      const double dy = one.y[static_cast<std::size_t>(2 * i + 1)] - one.y[static_cast<std::size_t>(2 * j + 1)];
      if (j != i) near.emplace_back(dx * dx + dy * dy, j);
    }
    std::partial_sort(near.begin(), near.begin() + 10, near.end());
    for (int n = 0; n < 10; ++n) right += near[static_cast<std::size_t>(n)].second % 3 == i % 3 ? 1 : 0;
  }
  CHECK(right == 10 * count);
}

TEST_CASE("the divergence of t-SNE is less than that of where it starts") {
  const auto x = blobs(120);
  std::vector<double> start;
  for (std::int64_t i = 0; i < 120; ++i)
    start.insert(start.end(), {x[static_cast<std::size_t>(10 * i)], x[static_cast<std::size_t>(10 * i + 1)]});
  TsneOptions none;
  none.iterations = 0;
  CHECK(tsne(x, 120, 10, start, {}).divergence < 0.5 * tsne(x, 120, 10, start, none).divergence);
}

TEST_CASE("maps refuse what they cannot map") {
  const std::vector<float> bad = {1, 2, NAN, 4};
  CHECK_THROWS_AS(pca(bad, 2, 2, 1, 1), core::Error);
  CHECK_THROWS_AS(pca(bad, 1, 4, 1, 1), core::Error);
  const std::vector<double> three(6, 0.0);
  CHECK_THROWS_AS(tsne(three, 3, 2, three, {}), core::Error);
  // All rows equal: nothing to tell apart, but no failure either.
  const std::vector<double> same(40, 1.0), zero(40, 0.0);
  for (const double value : tsne(same, 20, 2, zero, {}).y) CHECK(std::isfinite(value));
}
