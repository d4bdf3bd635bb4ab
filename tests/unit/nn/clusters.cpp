// k-means, nearest neighbours and collapse statistics against brute force and closed forms.
#include "core/error.h"
#include "nn/kmeans.h"
#include "nn/losses.h"
#include "nn/neighbours.h"
#include "nn/statistics.h"
#include "unit/nn/formula.h"
#include "unit/ranks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace selfsight;
using formula::largest_difference;

namespace {

/// `groups` well separated groups of `each` rows in D dimensions, in mixed order: row i belongs to group i % groups.
torch::Tensor blobs(std::int64_t groups, std::int64_t each, std::int64_t dim, double noise) {
  const torch::Tensor centres = torch::randn({groups, dim}) * 20;
  return centres.repeat({each, 1}) + noise * torch::randn({groups * each, dim});
}

}  // namespace

TEST_CASE("k-means finds separated groups") {
  torch::manual_seed(41);
  const torch::Tensor x = blobs(8, 300, 5, 0.5);
  const auto result = nn::kmeans(x, 8, 20, 1);
  std::set<std::int64_t> used;
  for (std::int64_t g = 0; g < 8; ++g) {
    const torch::Tensor labels = result.labels.index_select(0, torch::arange(g, 2400, 8));
    CHECK(labels.min().item<std::int64_t>() == labels.max().item<std::int64_t>());
    used.insert(labels[0].item<std::int64_t>());
    const torch::Tensor mean = x.index_select(0, torch::arange(g, 2400, 8)).mean(0);
    CHECK(largest_difference(result.centroids[labels[0].item<std::int64_t>()], mean) < 1e-4);
  }
  CHECK(used.size() == 8);
  // k-means++ puts one seed into each group, at twice the final distance on average; eight random rows would miss some, far away.
  CHECK(result.inertia.front() < 4 * result.inertia.back());
}

TEST_CASE("k-means: labels and inertia are those of brute force, inertia never rises") {
  torch::manual_seed(42);
  const torch::Tensor x = torch::randn({2500, 6});
  const auto result = nn::kmeans(x, 30, 15, 3);
  const torch::Tensor distances = (x.unsqueeze(1) - result.centroids.unsqueeze(0)).to(torch::kFloat64).square().sum(2);
  const auto [best, label] = distances.min(1);
  CHECK(result.labels.eq(label).sum().item<std::int64_t>() >= 2499);  // float32 may see one tie otherwise
  CHECK(result.inertia.back() == doctest::Approx(best.sum().item<double>()).epsilon(1e-6));
  CHECK(result.inertia.size() >= 2);
  for (std::size_t i = 1; i < result.inertia.size(); ++i) CHECK(result.inertia[i] <= result.inertia[i - 1] * (1 + 1e-6));
  CHECK(torch::equal(nn::assign_clusters(x, result.centroids), result.labels));
}

TEST_CASE("k-means: the same bits for any number of threads, other seeds otherwise") {
  torch::manual_seed(43);
  for (const std::int64_t rows : {700, 5000}) {  // one chunk, several
    const torch::Tensor x = torch::randn({rows, 40});
    const int before = at::get_num_threads();
    at::set_num_threads(1);
    const auto one = nn::kmeans(x, 25, 6, 5), other = nn::kmeans(x, 25, 6, 6);
    for (const int threads : {2, 3, 4}) {
      at::set_num_threads(threads);
      const auto many = nn::kmeans(x, 25, 6, 5);
      CHECK(torch::equal(one.centroids, many.centroids));
      CHECK(torch::equal(one.labels, many.labels));
      CHECK(one.inertia == many.inertia);
    }
    CHECK(at::get_num_threads() == 4);
    at::set_num_threads(before);
    CHECK(!torch::equal(one.centroids, other.centroids));
  }
}

TEST_CASE("k-means: the same bits for any number of ranks") {
  torch::manual_seed(47);
  const torch::Tensor x = torch::randn({701, 12});
  const auto one = nn::kmeans(x, 25, 6, 5);
  for (const int size : {2, 3}) {
    const auto of_rank = [&](const dist::Ranks& ranks) {
      const auto result = nn::kmeans(x, 25, 6, 5, ranks);
      return torch::cat({result.labels.to(torch::kFloat64), result.centroids.flatten().to(torch::kFloat64),
                         torch::tensor(result.inertia, torch::kFloat64)});
    };
    const torch::Tensor alone = of_rank({});
    CHECK(torch::equal(alone.slice(0, 0, 701), one.labels.to(torch::kFloat64)));
    for (const auto& found : test::of_ranks(size, of_rank)) CHECK(torch::equal(found, alone));
  }
}

TEST_CASE("k-means: fewer rows than ranks") {
  const torch::Tensor x = torch::tensor({{0.0F, 1.0F}, {5.0F, 5.0F}, {0.0F, 1.5F}}), expected = nn::kmeans(x, 2, 5, 1).labels;
  for (const auto& labels : test::of_ranks(4, [&](const dist::Ranks& ranks) { return nn::kmeans(x, 2, 5, 1, ranks).labels; }))
    CHECK(torch::equal(labels, expected));
}

TEST_CASE("k-means: no cluster stays empty while rows differ; bad input") {
  // Two far points and a heap: seeds can fall together on the heap's duplicates.
  torch::Tensor x = torch::zeros({50, 2});
  x[48] = torch::tensor({100.0F, 0.0F});
  x[49] = torch::tensor({0.0F, 100.0F});
  const auto result = nn::kmeans(x, 3, 10, 1);
  CHECK(result.inertia.back() == doctest::Approx(0));
  CHECK(result.labels.to(torch::kInt64).bincount({}, 3).min().item<std::int64_t>() == 1);
  CHECK(nn::kmeans(torch::ones({6, 2}), 4, 5, 1).centroids.isfinite().all().item<bool>());  // all rows equal
  CHECK_THROWS_AS(nn::kmeans(torch::zeros({3, 2}), 4, 5, 1), core::Error);
  CHECK_THROWS_AS(nn::kmeans(torch::full({9, 2}, std::nan("")), 2, 5, 1), core::Error);
}

TEST_CASE("nearest neighbours are those of brute force") {
  torch::manual_seed(44);
  const torch::Tensor q = torch::randn({37, 9}), x = torch::randn({211, 9});
  const torch::Tensor cosine = 1 - nn::unit_rows(q).matmul(nn::unit_rows(x).t()), euclidean = (q.unsqueeze(1) - x.unsqueeze(0)).norm(2, 2);
  for (const auto& [metric, all] : {std::pair{nn::Metric::cosine, cosine}, std::pair{nn::Metric::euclidean, euclidean}}) {
    CAPTURE(metric == nn::Metric::cosine);
    const auto found = nn::nearest(q, x, 5, metric);
    const auto [sorted, order] = all.sort(1);
    CHECK(torch::equal(found.indices, order.slice(1, 0, 5)));
    CHECK(largest_difference(found.distances, sorted.slice(1, 0, 5)) < 1e-5);
  }
  CHECK(largest_difference(nn::nearest(x, x, 1, nn::Metric::euclidean).distances, torch::zeros({211, 1})) == 0);
  CHECK_THROWS_AS(nn::nearest(q, x, 212), core::Error);
  CHECK_THROWS_AS(nn::nearest(q, x, 0), core::Error);
}

TEST_CASE("weighted kNN: a naive loop, majority vote, ties") {
  torch::manual_seed(45);
  const torch::Tensor train = torch::randn({120, 4}), test = torch::randn({60, 4});
  const torch::Tensor labels = torch::randint(0, 5, {120}, torch::kInt64), truth = torch::randint(0, 5, {60}, torch::kInt64);
  const torch::Tensor cosine = nn::unit_rows(test).matmul(nn::unit_rows(train).t());
  for (const double temperature : {0.07, 1.0, 0.001}) {
    const torch::Tensor predicted = nn::knn_predict(train, labels, test, 11, temperature, 5);
    std::int64_t right = 0;
    for (std::int64_t i = 0; i < 60; ++i) {
      const auto [sim, index] = cosine[i].sort(0, /*descending=*/true);
      std::vector<double> votes(5, 0.0);
      for (std::int64_t j = 0; j < 11; ++j)
        votes[static_cast<std::size_t>(labels[index[j].item<std::int64_t>()].item<std::int64_t>())] +=
            std::exp((sim[j].item<double>() - sim[0].item<double>()) / temperature);
      const auto winner = std::max_element(votes.begin(), votes.end()) - votes.begin();
      CHECK(predicted[i].item<std::int64_t>() == winner);
      right += winner == truth[i].item<std::int64_t>();
    }
    CHECK(nn::knn_accuracy(train, labels, test, truth, 11, temperature, 5) == doctest::Approx(static_cast<double>(right) / 60));
  }
  // One near neighbour of class 0 against two farther ones of class 1: the temperature decides. With a tie, the nearer class wins.
  const torch::Tensor three = torch::tensor({{1.0F, 0.1F}, {1.0F, 1.0F}, {1.0F, 1.1F}, {1.0F, 5.0F}}),
                      three_labels = torch::tensor({0, 1, 1, 0}, torch::kInt64);
  const torch::Tensor query = torch::tensor({{1.0F, 0.0F}});
  CHECK(nn::knn_predict(three, three_labels, query, 3, 0.05, 2).item<std::int64_t>() == 0);
  CHECK(nn::knn_predict(three, three_labels, query, 3, 0, 2).item<std::int64_t>() == 1);
  CHECK(nn::knn_predict(three, three_labels, query, 4, 0, 2).item<std::int64_t>() == 0);
  CHECK_THROWS_AS(nn::knn_predict(three, three_labels - 1, query, 1, 0.07, 2), core::Error);
  CHECK_THROWS_AS(nn::knn_predict(three, three_labels, query, 1, 0.07, 1), core::Error);
}

TEST_CASE("spread and rank of features") {
  torch::manual_seed(46);
  const torch::Tensor even = torch::randn({4000, 64});
  CHECK(nn::feature_std(even) * std::sqrt(64.0) == doctest::Approx(1).epsilon(0.02));
  CHECK(nn::feature_std(torch::ones({100, 8}) * torch::rand({100, 1})) < 1e-6);
  CHECK(nn::effective_rank(torch::eye(10).repeat({5, 1})) == doctest::Approx(10).epsilon(1e-6));
  CHECK(nn::effective_rank(torch::randn({50, 1}).matmul(torch::randn({1, 20}))) == doctest::Approx(1).epsilon(1e-5));
  CHECK(nn::effective_rank(torch::zeros({5, 4})) == 0);
  CHECK(std::isnan(nn::effective_rank(torch::full({5, 4}, std::numeric_limits<double>::infinity()))));
  const torch::Tensor wide = torch::randn({30, 200}, torch::kFloat64);
  const torch::Tensor p = at::linalg_svdvals(wide) / at::linalg_svdvals(wide).sum();
  CHECK(nn::effective_rank(wide) == doctest::Approx(std::exp(-(p * p.log()).sum().item<double>())).epsilon(1e-9));
  CHECK(nn::effective_rank(wide.t()) == doctest::Approx(nn::effective_rank(wide)).epsilon(1e-9));
}
