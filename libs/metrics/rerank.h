// Re-ranking by k-reciprocal encoding (Zhong, Zheng, Cao, Li: "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017,
// sections 3.2 to 3.5): items that have each other among their nearest are near, whatever their distance.
#pragma once

#include "metrics/distance.h"

namespace selfsight::metrics {

struct RerankOptions {
  std::int64_t k1 = 20, k2 = 6;  ///< neighbours of the reciprocal sets, and of the query expansion (1: none)
  double lambda = 0.3;           ///< weight of the original distance
  /// The squared distance, divided by the largest of its row, to this power. 1: as the authors' program has it. 2: as torchreid's, which
  /// squares distances that are squared already.
  int power = 1;
  DistanceOptions blocks;
};

/// Calls take(row) once for each query with lambda * original + (1 - lambda) * Jaccard distance to the whole gallery, from several threads
/// and in no fixed order. `queries` and `gallery` lie one behind the other in `all`, queries first. Keeps k1 + 1 neighbours and the sparse
/// encoding of every row, no matrix.
void for_each_reranked_row(const Rows& all, std::int64_t queries, Distance distance, const RerankOptions& options,
                           const std::function<void(DistanceRow& row)>& take);

}  // namespace selfsight::metrics
