#include "nn/kmeans.h"

#include "core/error.h"
#include "core/rng.h"
#include "nn/rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace selfsight::nn {

namespace {

torch::Tensor plain(const torch::Tensor& x) { return x.detach().to(torch::kCPU, torch::kFloat32).contiguous(); }

struct Assignment {
  std::vector<std::int64_t> label;
  std::vector<double> distance;  ///< squared, to that centroid
};

template <class T>
std::vector<T> values_of(const torch::Tensor& x) {
  return {x.const_data_ptr<T>(), x.const_data_ptr<T>() + x.numel()};
}

/// For every row of x the nearest of the centroids (the lower index of two equally near) and its squared distance, both those of float64
/// arithmetic. Each rank looks at its part of the rows.
Assignment assign(const torch::Tensor& x, const torch::Tensor& centroids, const dist::Ranks& ranks) {
  const auto [begin, end] = ranks.own_part(x.size(0));
  const torch::Tensor own = x.slice(0, begin, end);
  const torch::Tensor label = torch::empty({own.size(0)}, torch::kInt64), distance = torch::empty({own.size(0)}, torch::kFloat64);
  auto* labels = label.mutable_data_ptr<std::int64_t>();
  auto* distances = distance.mutable_data_ptr<double>();
  const int threads = at::get_num_threads();
  const metrics::ExactDistance exact(rows_of(own), rows_of(centroids), metrics::Distance::euclidean, threads);
  metrics::for_each_row(exact, {.threads = threads}, [&](const metrics::DistanceRow& row) {
    labels[row.query] = row.nearest(1).front();
    distances[row.query] = row.exact(labels[row.query]);
  });
  return {values_of<std::int64_t>(ranks.gather_parts(label)), values_of<double>(ranks.gather_parts(distance))};
}

/// k-means++: each further seed is drawn with a probability in proportion to its squared distance from the nearest one so far. Distances to
/// all rows are brought up to date for several seeds at once; in between, a row is proposed by its old distance and taken with the
/// probability new / old, which makes the same distribution.
torch::Tensor seeds(const torch::Tensor& x, std::int64_t clusters, core::Rng& rng, const dist::Ranks& ranks) {
  constexpr std::size_t most_at_once = 64;
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.size(0)));
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(order);
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max<std::int64_t>(4096, 16 * clusters))));
  const torch::Tensor pool = x.index_select(0, torch::tensor(order));
  const metrics::ExactDistance between(rows_of(pool), rows_of(pool), metrics::Distance::euclidean, 1);
  std::vector<double> nearest(order.size(), std::numeric_limits<double>::infinity()), until(order.size());
  std::vector<std::int64_t> chosen = {0};  // the order is random already
  std::size_t looked_at = 0;               // of `chosen`, by `nearest`
  while (static_cast<std::int64_t>(chosen.size()) < clusters) {
    const torch::Tensor latest =
        pool.index_select(0, torch::tensor(std::vector(chosen.begin() + static_cast<std::ptrdiff_t>(looked_at), chosen.end())));
    const Assignment to_latest = assign(pool, latest, ranks);
    for (std::size_t i = 0; i < nearest.size(); ++i) nearest[i] = std::min(nearest[i], to_latest.distance[i]);
    looked_at = chosen.size();
    std::inclusive_scan(nearest.begin(), nearest.end(), until.begin());
    if (until.back() <= 0) {  // fewer different rows than clusters: any row not taken yet
      std::int64_t pick = 0;
      while (std::find(chosen.begin(), chosen.end(), pick) != chosen.end()) ++pick;
      chosen.push_back(pick);
      continue;
    }
    const std::size_t wanted = std::min({2 * looked_at, looked_at + most_at_once, static_cast<std::size_t>(clusters)});
    for (std::size_t proposals = 4 * (wanted - looked_at); proposals > 0 && chosen.size() < wanted; --proposals) {
      const auto place = std::upper_bound(until.begin(), until.end(), rng.uniform() * until.back());
      const std::int64_t pick = std::min<std::int64_t>(place - until.begin(), pool.size(0) - 1);
      const double old = nearest[static_cast<std::size_t>(pick)];
      double now = old;
      for (std::size_t s = looked_at; s < chosen.size(); ++s) now = std::min(now, between(pick, chosen[s]));
      if (rng.chance(now / old)) chosen.push_back(pick);
    }
  }
  return pool.index_select(0, torch::tensor(chosen));
}

/// Moves the row that is farthest from its centroid into each empty cluster; never the last row of a cluster.
void fill_empty(Assignment& assignment, std::int64_t clusters) {
  std::vector<std::int64_t> size(static_cast<std::size_t>(clusters), 0);
  for (const auto label : assignment.label) ++size[static_cast<std::size_t>(label)];
  for (std::int64_t empty = 0; empty < clusters; ++empty) {
    if (size[static_cast<std::size_t>(empty)] > 0) continue;
    std::size_t farthest = assignment.label.size();
    for (std::size_t i = 0; i < assignment.label.size(); ++i)
      if (size[static_cast<std::size_t>(assignment.label[i])] > 1 &&
          (farthest == assignment.label.size() || assignment.distance[i] > assignment.distance[farthest]))
        farthest = i;
    --size[static_cast<std::size_t>(assignment.label[farthest])];
    ++size[static_cast<std::size_t>(empty)];
    assignment.label[farthest] = empty;
    assignment.distance[farthest] = 0;
  }
}

torch::Tensor means(const torch::Tensor& x, const std::vector<std::int64_t>& labels, std::int64_t clusters) {
  const std::int64_t dim = x.size(1);
  std::vector<std::vector<std::int64_t>> members(static_cast<std::size_t>(clusters));
  for (std::size_t i = 0; i < labels.size(); ++i) members[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  torch::Tensor out = torch::empty({clusters, dim});
  float* means = out.mutable_data_ptr<float>();
  const float* rows = x.const_data_ptr<float>();
  // One cluster is one thread's, summed in the order of its rows.
  at::parallel_for(0, clusters, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sum(static_cast<std::size_t>(dim));
    for (std::int64_t c = begin; c < end; ++c) {
      const auto& rows_of = members[static_cast<std::size_t>(c)];
      std::fill(sum.begin(), sum.end(), 0.0);
      for (const auto i : rows_of)
        for (std::int64_t j = 0; j < dim; ++j) sum[static_cast<std::size_t>(j)] += static_cast<double>(rows[i * dim + j]);
      for (std::int64_t j = 0; j < dim; ++j)
        means[c * dim + j] = static_cast<float>(sum[static_cast<std::size_t>(j)] / static_cast<double>(rows_of.size()));
    }
  });
  return out;
}

}  // namespace

KMeansResult kmeans(const torch::Tensor& input, std::int64_t clusters, std::int64_t iterations, std::uint64_t seed,
                    const dist::Ranks& ranks) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = plain(input);
  if (clusters < 1) core::fail(core::Exit::usage, "k-means needs at least one cluster, not {}", clusters);
  if (x.dim() != 2 || x.size(0) < clusters)
    core::fail(core::Exit::bad_data, "k-means: {} rows cannot make {} clusters", x.size(0), clusters);
  if (const auto row = metrics::unrankable_row(rows_of(x), metrics::Distance::euclidean, at::get_num_threads()); row >= 0)
    core::fail(core::Exit::bad_data, "k-means: features of row {} are not finite, or above 1e15", row);
  core::Rng rng(seed, core::Stream::init);
  KMeansResult result;
  result.centroids = seeds(x, clusters, rng, ranks);
  std::vector<std::int64_t> before;
  for (std::int64_t round = 0;; ++round) {
    Assignment assignment = assign(x, result.centroids, ranks);
    result.inertia.push_back(std::accumulate(assignment.distance.begin(), assignment.distance.end(), 0.0));
    result.labels = torch::tensor(assignment.label);
    if (round == iterations || assignment.label == before) return result;
    before = assignment.label;
    fill_empty(assignment, clusters);
    result.centroids = means(x, assignment.label, clusters);
  }
}

torch::Tensor assign_clusters(const torch::Tensor& x, const torch::Tensor& centroids) {
  return torch::tensor(assign(plain(x), plain(centroids), {}).label);
}

}  // namespace selfsight::nn
