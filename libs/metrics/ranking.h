// Ranked retrieval as re-identification counts it: where the right items stand in a gallery ordered by distance.
//
// Ties: a wrong item at the same distance as a right one stands before it, so that equal features are no success, and the order of the
// gallery's file has no influence. Ranks are those of float64 distances (see distance.h).
#pragma once

#include "metrics/distance.h"

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// Who is on a row, and which camera saw it.
struct Sighting {
  std::int64_t identity = 0, camera = 0;
};

/// Which rows of the gallery a query is ranked against.
struct GalleryRules {
  bool drop_same_camera =
      true;                ///< leave out what the query's own camera saw of the query's identity (Zheng et al., ICCV 2015, section 4.2)
  bool drop_self = false;  ///< queries are the gallery: leave out the query's own row
  bool special_identities = true;  ///< -1 marks junk, which is left out, and 0 distractors, which are right for no query
  static constexpr std::int64_t junk = -1, distractor = 0;
};

/// The gallery, by identity.
class Gallery {
 public:
  Gallery(std::vector<Sighting> items, const GalleryRules& rules);
  [[nodiscard]] const std::vector<Sighting>& items() const { return items_; }
  [[nodiscard]] const GalleryRules& rules() const { return rules_; }
  /// Rows of one identity, ascending.
  [[nodiscard]] std::span<const std::int64_t> of(std::int64_t identity) const;
  [[nodiscard]] std::span<const std::int64_t> junk() const {
    return rules_.special_identities ? of(GalleryRules::junk) : std::span<const std::int64_t>();
  }
  /// The first row of each stretch of one identity in by_identity(), and the end.
  [[nodiscard]] const std::vector<std::size_t>& stretches() const { return stretches_; }
  [[nodiscard]] std::span<const std::int64_t> by_identity() const { return order_; }
  /// Whether row `g` takes part for this query, and whether it is right.
  [[nodiscard]] bool left_out(const Sighting& query, std::int64_t self, std::int64_t g) const;
  [[nodiscard]] bool right(const Sighting& query, std::int64_t g) const;

 private:
  std::vector<Sighting> items_;
  GalleryRules rules_;
  std::vector<std::int64_t> order_;
  std::vector<std::size_t> stretches_;
};

/// What one query comes to.
struct Ranked {
  std::vector<std::int64_t> ranks;  ///< of the right items, ascending, from 1; empty: the query has no match
  std::int64_t size = 0;            ///< items it was ranked against
};

/// Ranks the right items; writes infinity over the approximate values of what is left out. `row.query` is the query's own row in the
/// gallery where the rules drop it.
Ranked rank_query(DistanceRow& row, const Sighting& query, const Gallery& gallery);

/// Mean over the right items of (right items so far) / rank: the area under the precision-recall steps, as in scikit-learn and torchreid.
double average_precision(const Ranked& ranked);
/// The same by the trapezoid rule from precision 1 at recall 0, as the original programs of Market-1501 have it (and Oxford Buildings).
double trapezoid_average_precision(const Ranked& ranked);
/// Right items / rank of the last one (Ye et al., TPAMI 2021, "mINP"): what it costs to find all.
double inverse_negative_penalty(const Ranked& ranked);

/// Means over the queries that have a match.
struct RankingFigures {
  std::vector<double>
      cmc;  ///< share of queries whose first right item has rank <= k + 1; a gallery that ends before k leaves the share as it is
  double mean_ap = 0, mean_trapezoid_ap = 0, mean_inp = 0;
  std::int64_t queries = 0, without_match = 0;
};
RankingFigures ranking_figures(std::span<const Ranked> queries, std::int64_t depth);

/// CUHK03's single-gallery-shot protocol (Li et al., CVPR 2014): one random image of each identity is the gallery, again and again.
struct SingleShot {
  std::int64_t repeats = 10;
  std::uint64_t seed = 0;
  bool distractors_apart = false;  ///< each distractor is an identity of its own; otherwise all are one, as torchreid has it
};
/// Rank of the right image in each repeat, from 1; empty for a query without a match. The draw depends on the seed, the query and the
/// repeat. Needs approximate values that rank_query has not yet written over.
std::vector<std::int64_t> single_shot_ranks(const DistanceRow& row, const Sighting& query, const Gallery& gallery,
                                            const SingleShot& options);
/// Mean CMC over all draws of the queries that have a match; every query must have as many draws.
std::vector<double> single_shot_cmc(std::span<const std::vector<std::int64_t>> ranks, std::int64_t depth);

}  // namespace selfsight::metrics
