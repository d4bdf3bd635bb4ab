#include "nn/neighbours.h"

#include "core/error.h"
#include "nn/losses.h"
#include "nn/rows.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace selfsight::nn {

namespace {

/// Scores of one batch of queries against all keys stay below this many values (128 MiB).
constexpr std::int64_t most_scores = std::int64_t{1} << 25;

/// On the CPU: the order is that of float64 distances, whatever the number of threads.
Neighbours nearest_exactly(const torch::Tensor& queries, const torch::Tensor& keys, std::int64_t k, metrics::Distance distance) {
  Neighbours out{torch::empty({queries.size(0), k}), torch::empty({queries.size(0), k}, torch::kInt64)};
  auto* distances = out.distances.mutable_data_ptr<float>();
  auto* indices = out.indices.mutable_data_ptr<std::int64_t>();
  const int threads = at::get_num_threads();
  const metrics::ExactDistance exact(rows_of(queries), rows_of(keys), distance, threads);
  metrics::for_each_row(exact, {.threads = threads}, [&](const metrics::DistanceRow& row) {
    std::int64_t place = row.query * k;
    for (const std::int64_t key : row.nearest(k)) {
      const double value = row.exact(key);
      distances[place] = static_cast<float>(distance == metrics::Distance::euclidean ? std::sqrt(value) : value);
      indices[place++] = key;
    }
  });
  return out;
}

/// On any device, in float32 or better.
Neighbours nearest_by_scores(const torch::Tensor& queries, const torch::Tensor& keys, std::int64_t k, Metric metric) {
  const std::int64_t count = queries.size(0), bank = keys.size(0);
  const bool cosine = metric == Metric::cosine;
  const torch::Tensor q = cosine ? unit_rows(queries) : queries.to(torch::kFloat32),
                      x = cosine ? unit_rows(keys) : keys.to(torch::kFloat32);
  const torch::Tensor half_square = cosine ? torch::Tensor() : x.square().sum(1) / 2;
  const std::int64_t step = std::max<std::int64_t>(1, most_scores / bank);
  std::vector<torch::Tensor> distances, indices;
  for (std::int64_t begin = 0; begin < count; begin += step) {
    const torch::Tensor part = q.slice(0, begin, std::min(count, begin + step));
    torch::Tensor scores = torch::matmul(part, x.t());
    if (!cosine) scores -= half_square;  // |q - x|^2 = |q|^2 - 2 (q.x - |x|^2/2): the same order
    auto [best, index] = scores.topk(k, 1);
    if (cosine) {
      distances.push_back(1.0 - best);
    } else {
      // The difference itself, since the expansion above loses the digits of small distances.
      const torch::Tensor exact = (part.unsqueeze(1) - x.index_select(0, index.flatten()).view({part.size(0), k, -1})).norm(2, 2);
      const auto [sorted, order] = exact.sort(/*dim=*/1);
      distances.push_back(sorted);
      index = index.gather(1, order);
    }
    indices.push_back(index);
  }
  if (distances.empty()) return {torch::empty({0, k}, q.options()), torch::empty({0, k}, q.options().dtype(torch::kInt64))};
  return {torch::cat(distances), torch::cat(indices)};
}

}  // namespace

Neighbours nearest(const torch::Tensor& queries, const torch::Tensor& keys, std::int64_t k, Metric metric) {
  const torch::NoGradGuard no_grad;
  if (k < 1 || k > keys.size(0)) core::fail(core::Exit::usage, "cannot take {} nearest neighbours from {} rows", k, keys.size(0));
  if (queries.is_cpu() && queries.scalar_type() == torch::kFloat32 && keys.scalar_type() == torch::kFloat32) {
    const auto distance = metric == Metric::cosine ? metrics::Distance::cosine : metrics::Distance::euclidean;
    const torch::Tensor q = queries.contiguous(), x = keys.contiguous();
    const int threads = at::get_num_threads();
    const auto rankable = [&](const torch::Tensor& rows) { return metrics::unrankable_row(rows_of(rows), distance, threads) < 0; };
    if (rankable(q) && rankable(x)) return nearest_exactly(q, x, k, distance);
  }
  return nearest_by_scores(queries, keys, k, metric);  // collapsed features, too: rows of zeros have no cosine
}

torch::Tensor knn_predict(const torch::Tensor& train_x, const torch::Tensor& train_y, const torch::Tensor& test_x, std::int64_t k,
                          double temperature, std::int64_t classes) {
  const torch::NoGradGuard no_grad;
  if (train_y.numel() != train_x.size(0)) core::fail(core::Exit::internal, "{} labels for {} rows", train_y.numel(), train_x.size(0));
  if (train_y.numel() > 0 && (train_y.min().item<std::int64_t>() < 0 || train_y.max().item<std::int64_t>() >= classes))
    core::fail(core::Exit::bad_data, "kNN: training labels run from {} to {}, expected 0 to {}", train_y.min().item<std::int64_t>(),
               train_y.max().item<std::int64_t>(), classes - 1);
  const auto [distances, indices] = nearest(test_x, train_x, k);
  const torch::Tensor labels = train_y.to(indices.device()).index_select(0, indices.flatten()).view_as(indices);
  // Weights relative to that of the nearest, which changes no vote and cannot overflow.
  const torch::Tensor nearness = distances.slice(1, 0, 1) - distances;
  const torch::Tensor weights =
      temperature > 0 ? (nearness.to(torch::kFloat64) / temperature).exp() : torch::ones_like(nearness, torch::kFloat64);
  const torch::Tensor votes = torch::zeros({test_x.size(0), classes}, weights.options()).scatter_add_(1, labels, weights);
  // argmax gives the first of equal values: in the order of the neighbours, the class of the nearer one.
  const torch::Tensor best = votes.gather(1, labels).argmax(1, /*keepdim=*/true);
  return labels.gather(1, best).squeeze(1);
}

double knn_accuracy(const torch::Tensor& train_x, const torch::Tensor& train_y, const torch::Tensor& test_x, const torch::Tensor& test_y,
                    std::int64_t k, double temperature, std::int64_t classes) {
  if (test_x.size(0) == 0) core::fail(core::Exit::bad_data, "kNN: nothing to classify");
  const torch::Tensor predicted = knn_predict(train_x, train_y, test_x, k, temperature, classes);
  return predicted.eq(test_y.to(predicted.device())).to(torch::kFloat64).mean().item<double>();
}

}  // namespace selfsight::nn
