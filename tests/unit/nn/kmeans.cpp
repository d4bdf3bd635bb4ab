// k-means and nearest neighbours: exact in the sense of float64, whatever the number of threads.
#include "nn/kmeans.h"
#include "core/rng.h"
#include "nn/neighbours.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight;

namespace {

/// k-means++ as it is written: after each seed all distances are looked at again. Returns the sum of squared distances.
double plain_seeds(const torch::Tensor& x, std::int64_t clusters, std::uint64_t seed) {
  core::Rng rng(seed, core::Stream::test);
  const std::int64_t rows = x.size(0);
  torch::Tensor nearest = torch::full({rows}, std::numeric_limits<double>::infinity(), torch::kFloat64);
  auto pick = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(rows)));
  for (std::int64_t c = 0;; ++c) {
    nearest = torch::minimum(nearest, (x - x[pick]).to(torch::kFloat64).square().sum(1));
    if (c + 1 == clusters) return nearest.sum().item<double>();
    double target = rng.uniform() * nearest.sum().item<double>();
    for (pick = 0; pick + 1 < rows; ++pick)
      if ((target -= nearest[pick].item<double>()) < 0) break;
  }
}

}  // namespace

TEST_CASE("k-means: every label is that of float64 distances, the lower index of two equally near") {
  // Whole numbers: many rows lie exactly between centroids, far from the origin, where float32 products lose the last digits.
  torch::manual_seed(1);
  const torch::Tensor x = torch::randint(0, 7, {3000, 3}).to(torch::kFloat32) + 2000;
  const torch::Tensor centroids = torch::randint(0, 4, {40, 3}).to(torch::kFloat32) * 2 + 2000;
  const torch::Tensor d = (x.unsqueeze(1) - centroids.unsqueeze(0)).to(torch::kFloat64).square().sum(2);
  CHECK((d == d.amin(1, true)).sum(1).gt(1).sum().item<std::int64_t>() > 500);
  CHECK(torch::equal(nn::assign_clusters(x, centroids), d.argmin(1)));
}

TEST_CASE("k-means: seeds drawn several at a time are distributed as those drawn one by one") {
  torch::manual_seed(2);
  torch::Tensor x = torch::randn({60, 2});
  x.slice(0, 0, 6).mul_(8);  // far rows, which make the rule matter
  constexpr int runs = 400;
  double mean[2] = {0, 0}, square[2] = {0, 0};
  for (int run = 0; run < runs; ++run) {
    const double values[2] = {nn::kmeans(x, 16, 0, static_cast<std::uint64_t>(run)).inertia.front(),
                              plain_seeds(x, 16, static_cast<std::uint64_t>(run))};
    for (int i = 0; i < 2; ++i) {
      mean[i] += values[i] / runs;
      square[i] += values[i] * values[i] / runs;
    }
  }
  const double error = std::sqrt((square[0] - mean[0] * mean[0] + square[1] - mean[1] * mean[1]) / runs);
  MESSAGE("sum of squared distances: ", mean[0], " and ", mean[1], ", standard error of the difference ", error);
  CHECK(std::abs(mean[0] - mean[1]) < 4 * error);
  CHECK(error < 0.05 * mean[1]);
}

TEST_CASE("nearest neighbours: equal distances in the order of the keys, the same for any number of threads") {
  torch::manual_seed(3);
  const torch::Tensor base = torch::randn({50, 6}), keys = base.repeat({4, 1}), queries = torch::randn({300, 6});
  const int before = at::get_num_threads();
  for (const auto metric : {nn::Metric::cosine, nn::Metric::euclidean}) {
    at::set_num_threads(1);
    const auto one = nn::nearest(queries, keys, 12, metric);
    for (std::int64_t q = 0; q < 300; ++q)
      for (std::int64_t j = 1; j < 12; ++j) {
        const auto a = one.indices[q][j - 1].item<std::int64_t>(), b = one.indices[q][j].item<std::int64_t>();
        CHECK((j % 4 == 0 ? a % 50 != b % 50 : b == a + 50));  // the four copies of one key, in their order
      }
    at::set_num_threads(3);
    const auto three = nn::nearest(queries, keys, 12, metric);
    CHECK(torch::equal(one.indices, three.indices));
    CHECK(torch::equal(one.distances, three.distances));
  }
  at::set_num_threads(before);
}

TEST_CASE("nearest neighbours: rows of zeros are as far from everything as a right angle") {
  torch::Tensor x = torch::eye(4);
  x[2].zero_();
  const auto found = nn::nearest(x, x, 4);
  CHECK(found.distances[2].eq(1).all().item<bool>());
  CHECK(found.indices[0][0].item<std::int64_t>() == 0);
  CHECK(nn::nearest(torch::empty({0, 4}), x, 2).indices.sizes() == torch::IntArrayRef({0, 2}));
}
