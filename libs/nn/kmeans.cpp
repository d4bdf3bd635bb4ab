#include "nn/kmeans.h"

#include "core/error.h"
#include "core/rng.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

namespace selfsight::nn {

namespace {

/// Rows that one task takes. Fixed, because a matrix product's rounding may depend on its size.
constexpr std::int64_t chunk = 1024;

torch::Tensor plain(const torch::Tensor& x) { return x.detach().to(torch::kCPU, torch::kFloat32).contiguous(); }

/// Calls body(begin, end) for each chunk of [0, count). Inside, matrix products run on one thread: their bits, too, may depend on the
/// number.
void for_chunks(std::int64_t count, const std::function<void(std::int64_t begin, std::int64_t end)>& body) {
  const auto each = [&](std::int64_t first, std::int64_t last) {
    const torch::NoGradGuard no_grad;
    for (std::int64_t i = first; i < last; ++i) body(i * chunk, std::min(count, (i + 1) * chunk));
  };
  const std::int64_t chunks = (count + chunk - 1) / chunk;
  if (chunks > 1) {
    at::parallel_for(0, chunks, 1, each);  // within it, the threads of the linear algebra are one each
    return;
  }
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  each(0, chunks);
  at::set_num_threads(threads);
}

struct Assignment {
  std::vector<std::int64_t> label;
  std::vector<double> distance;  ///< squared, to that centroid
};

double squared_distance(const float* a, const float* b, std::int64_t dim) {
  double sum = 0;
  for (std::int64_t j = 0; j < dim; ++j) {
    const double d = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += d * d;
  }
  return sum;
}

Assignment assign(const torch::Tensor& x, const torch::Tensor& centroids) {
  const std::int64_t count = x.size(0), dim = x.size(1), clusters = centroids.size(0);
  Assignment out{std::vector<std::int64_t>(static_cast<std::size_t>(count)), std::vector<double>(static_cast<std::size_t>(count))};
  const float *rows = x.const_data_ptr<float>(), *centres = centroids.const_data_ptr<float>();
  std::vector<float> half_square(static_cast<std::size_t>(clusters));
  for (std::int64_t c = 0; c < clusters; ++c) {
    double sum = 0;
    for (std::int64_t j = 0; j < dim; ++j) sum += static_cast<double>(centres[c * dim + j]) * static_cast<double>(centres[c * dim + j]);
    half_square[static_cast<std::size_t>(c)] = static_cast<float>(sum / 2);
  }
  const torch::Tensor transposed = centroids.t();
  for_chunks(count, [&](std::int64_t begin, std::int64_t end) {
    const torch::Tensor products = torch::mm(x.slice(0, begin, end), transposed).contiguous();
    const float* product = products.const_data_ptr<float>();
    for (std::int64_t i = begin; i < end; ++i, product += clusters) {
      std::int64_t best = 0;
      float most = -std::numeric_limits<float>::infinity();
      for (std::int64_t c = 0; c < clusters; ++c)
        if (const float score = product[c] - half_square[static_cast<std::size_t>(c)]; score > most) {
          most = score;
          best = c;
        }
      out.label[static_cast<std::size_t>(i)] = best;
      out.distance[static_cast<std::size_t>(i)] = squared_distance(rows + i * dim, centres + best * dim, dim);
    }
  });
  return out;
}

/// k-means++: each further seed is drawn with a probability in proportion to its squared distance from the nearest one so far.
torch::Tensor seeds(const torch::Tensor& x, std::int64_t clusters, core::Rng& rng) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(x.size(0)));
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(order);
  order.resize(std::min(order.size(), static_cast<std::size_t>(std::max<std::int64_t>(4096, 16 * clusters))));
  const auto sample = static_cast<std::int64_t>(order.size());
  const torch::Tensor pool = x.index_select(0, torch::tensor(order));
  const std::int64_t dim = x.size(1);
  const float* rows = pool.const_data_ptr<float>();
  std::vector<double> nearest(order.size(), std::numeric_limits<double>::infinity());
  std::vector<std::int64_t> chosen = {0};  // the order is random already
  while (static_cast<std::int64_t>(chosen.size()) < clusters) {
    const float* latest = rows + chosen.back() * dim;
    for_chunks(sample, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        double& d = nearest[static_cast<std::size_t>(i)];
        d = std::min(d, squared_distance(rows + i * dim, latest, dim));
      }
    });
    double target = rng.uniform() * std::accumulate(nearest.begin(), nearest.end(), 0.0);
    std::int64_t pick = -1;
    for (std::int64_t i = 0; i < sample; ++i) {
      const double d = nearest[static_cast<std::size_t>(i)];
      if (d <= 0) continue;
      pick = i;
      target -= d;
      if (target < 0) break;
    }
    if (pick < 0) {  // fewer different rows than clusters: any row not taken yet
      for (pick = 0; std::find(chosen.begin(), chosen.end(), pick) != chosen.end();) ++pick;
    }
    chosen.push_back(pick);
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
  const torch::Tensor out = torch::empty({clusters, dim});
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

KMeansResult kmeans(const torch::Tensor& input, std::int64_t clusters, std::int64_t iterations, std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = plain(input);
  if (clusters < 1) core::fail(core::Exit::usage, "k-means needs at least one cluster, not {}", clusters);
  if (x.dim() != 2 || x.size(0) < clusters)
    core::fail(core::Exit::bad_data, "k-means: {} rows cannot make {} clusters", x.size(0), clusters);
  if (!x.isfinite().all().item<bool>()) core::fail(core::Exit::bad_data, "k-means: some of the features are not finite");
  core::Rng rng(seed, core::Stream::init);
  KMeansResult result;
  result.centroids = seeds(x, clusters, rng);
  std::vector<std::int64_t> before;
  for (std::int64_t round = 0;; ++round) {
    Assignment assignment = assign(x, result.centroids);
    result.inertia.push_back(std::accumulate(assignment.distance.begin(), assignment.distance.end(), 0.0));
    result.labels = torch::tensor(assignment.label);
    if (round == iterations || assignment.label == before) return result;
    before = assignment.label;
    fill_empty(assignment, clusters);
    result.centroids = means(x, assignment.label, clusters);
  }
}

torch::Tensor assign_clusters(const torch::Tensor& x, const torch::Tensor& centroids) {
  return torch::tensor(assign(plain(x), plain(centroids)).label);
}

}  // namespace selfsight::nn
