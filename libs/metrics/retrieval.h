// Cross-modal retrieval: recalls and ranks of the first right candidate. Ties as in ranking.h: a wrong candidate as similar as a right one
// stands before it, and a query counts once (CLIP4Clip's program counts each tied place as a further query).
#pragma once

#include "metrics/distance.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// Similarities of queries and candidates, larger is nearer; every value finite.
struct SimilarityTable {
  std::int64_t queries = 0, candidates = 0;
  std::function<double(std::int64_t query, std::int64_t candidate)> at;
};
/// The rows, as distances (the similarity's negative), from several threads and in no fixed order.
void for_each_row(const SimilarityTable& table, int threads, const std::function<void(DistanceRow& row)>& take);

/// Dual softmax (Cheng et al., "CAMoE", arXiv 2109.04290, section 3.3): s * softmax of s / temperature over all queries of one candidate.
/// What comes back has the order of these products, equal ones included, but other values: the product itself is 0 for most pairs as soon
/// as similarities differ by some hundred temperatures, as those that are not normalised do.
/// It looks at all queries of the test at once, so its figures are not comparable with those of single queries.
SimilarityTable dual_softmax(const SimilarityTable& table, double temperature, int threads);

/// The rank of the right group where each group counts by its nearest member: CLIP4Clip's way from a video to the groups of captions.
std::int64_t group_rank(const DistanceRow& row, std::span<const std::int64_t> group_of, std::int64_t groups, std::int64_t right);

struct RetrievalFigures {
  std::vector<double> recall;  ///< share (0 to 1) of queries with rank <= k, for each k
  double median_rank = 0, mean_rank = 0;
};
/// Of the ranks (from 1) of the first right candidates; the median of an even number is the mean of the middle two. Error: internal without
/// any.
RetrievalFigures retrieval_figures(std::span<const std::int64_t> ranks, std::span<const std::int64_t> ks);

}  // namespace selfsight::metrics
