// k-means (Lloyd 1982) with k-means++ seeds (Arthur and Vassilvitskii, SODA 2007), made for pseudo-labels.
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>
#include <vector>

namespace selfsight::nn {

struct KMeansResult {
  torch::Tensor centroids;      ///< clusters x D, float32
  torch::Tensor labels;         ///< N, int64: the nearest of these centroids (by float64 distances), the lower index of two equally near
  std::vector<double> inertia;  ///< sum of squared distances at each assignment; the last belongs to `labels`
};

/// x: N x D (computed in float32, on the CPU). At most `iterations` rounds, fewer when the labels stay as they are. Seeds are drawn
/// from at most max(4096, 16 * clusters) random rows. A cluster that loses all rows takes the row farthest from its centroid.
/// A pure function of its arguments: the same bits for any number of threads, and of ranks, which all have x and share the distances.
/// Error: bad_data for fewer rows than clusters, and for values that are not finite or above 1e15.
KMeansResult kmeans(const torch::Tensor& x, std::int64_t clusters, std::int64_t iterations, std::uint64_t seed,
                    const dist::Ranks& ranks = {});

/// Index (N, int64) of the nearest centroid for each row, as in the result above.
torch::Tensor assign_clusters(const torch::Tensor& x, const torch::Tensor& centroids);

}  // namespace selfsight::nn
