// Exact nearest neighbours, and the weighted kNN classifier of Wu et al. (arXiv 1805.01978, section 3.4) as DINO uses it.
#pragma once

#include "libtorch.h"

#include <cstdint>

namespace selfsight::nn {

enum class Metric { cosine, euclidean };

struct Neighbours {
  torch::Tensor distances;  ///< Q x k, ascending: 1 - cosine, or the Euclidean distance
  torch::Tensor indices;    ///< Q x k, int64, rows of `keys`
};

/// The k nearest of keys (M x D) to each of queries (Q x D), computed in batches of queries. float32 rows on the CPU are ranked by float64
/// distances, equal ones in the order of the keys, the same for any number of threads. Elsewhere, and where a row is zero (cosine) or not
/// finite, distances are those of the device's own arithmetic, and which of equally distant keys are taken is not defined.
/// Error: usage unless 1 <= k <= M.
Neighbours nearest(const torch::Tensor& queries, const torch::Tensor& keys, std::int64_t k, Metric metric = Metric::cosine);

/// Class of each test row: the k nearest training rows by cosine vote with weight exp(cosine / temperature); temperature 0: one vote each.
/// Equal votes go to the class of the nearer neighbour. Error: bad_data for a training label outside 0 .. classes - 1.
torch::Tensor knn_predict(const torch::Tensor& train_x, const torch::Tensor& train_y, const torch::Tensor& test_x, std::int64_t k,
                          double temperature, std::int64_t classes);
/// Share (0 to 1) of test rows whose prediction is their label.
double knn_accuracy(const torch::Tensor& train_x, const torch::Tensor& train_y, const torch::Tensor& test_x, const torch::Tensor& test_y,
                    std::int64_t k, double temperature, std::int64_t classes);

}  // namespace selfsight::nn
