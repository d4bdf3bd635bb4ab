#include "metrics/clusters.h"

#include "core/rng.h"

#include <doctest/doctest.h>

using namespace selfsight;
using namespace selfsight::metrics;
using Labels = std::vector<std::uint16_t>;

namespace {
Contingency table_of(const Labels& truth, const Labels& prediction) {
  const auto n = static_cast<std::int64_t>(truth.size());
  return contingency({1, n, truth}, {1, n, prediction});
}
}  // namespace

TEST_CASE("FG-ARI counts pairs of object pixels") {
  core::Rng rng(4, core::Stream::test);
  for (int round = 0; round < 500; ++round) {
    const std::size_t n = 1 + rng.below(40);
    Labels truth(n), prediction(n);
    for (std::size_t i = 0; i < n; ++i) {
      truth[i] = static_cast<std::uint16_t>(rng.below(4)), prediction[i] = static_cast<std::uint16_t>(rng.below(5));
      if (round % 3 == 0) prediction[i] = truth[i];
    }
    double both = 0, truth_only = 0, prediction_only = 0, neither = 0;
    int foreground = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (truth[i] == 0) continue;
      ++foreground;
      for (std::size_t j = i + 1; j < n; ++j) {
        if (truth[j] == 0) continue;
        const bool t = truth[i] == truth[j], p = prediction[i] == prediction[j];
        (t && p ? both : t ? truth_only : p ? prediction_only : neither) += 1;
      }
    }
    const auto ari = foreground_ari(table_of(truth, prediction));
    REQUIRE(ari.has_value() == (foreground > 0));
    if (foreground == 0) continue;
    const double pairs = both + truth_only + prediction_only + neither;
    const double expected = pairs == 0 ? 0 : (both + truth_only) * (both + prediction_only) / pairs;
    const double highest = (2 * both + truth_only + prediction_only) / 2;
    const double by_definition = truth_only == 0 && prediction_only == 0 ? 1 : (both - expected) / (highest - expected);
    REQUIRE(*ari == doctest::Approx(by_definition).epsilon(1e-12));
  }
}

TEST_CASE("FG-ARI does not see the background, nor names of clusters") {
  CHECK(foreground_ari(table_of({1, 1, 2, 2, 0, 0}, {7, 7, 3, 3, 1, 9})) == 1);
  CHECK(foreground_ari(table_of({1, 1, 2, 2, 0, 0}, {0, 0, 5, 5, 0, 5})) == 1);  // the prediction's background is a cluster
  CHECK(foreground_ari(table_of({1, 1, 2, 2}, {4, 4, 4, 4})) == 0);
  CHECK(foreground_ari(table_of({1, 1, 1, 1}, {4, 4, 4, 4})) == 1);
  CHECK_FALSE(foreground_ari(table_of({0, 0}, {1, 2})).has_value());
  CHECK_FALSE(foreground_ari(Contingency()).has_value());
}

TEST_CASE("matched IoU: more, fewer and no clusters") {
  const MatchedIou equal = matched_iou(table_of({1, 1, 2, 2, 0}, {2, 2, 1, 1, 0}));
  CHECK(equal.mean() == 1);
  // One cluster over both objects serves only one of them, and the background that it takes counts.
  const MatchedIou one = matched_iou(table_of({1, 1, 1, 2, 0}, {1, 1, 1, 1, 1}));
  CHECK(one.iou == std::vector<double>{3.0 / 5, 0});
  CHECK(one.objects == std::vector<std::int64_t>{1, 2});
  // The prediction's background is no cluster, also where it fits best.
  CHECK(matched_iou(table_of({1, 1, 2, 2}, {0, 0, 1, 1})).iou == std::vector<double>{0, 1});
  CHECK(matched_iou(table_of({3, 3, 0, 0}, {0, 0, 0, 0})).iou == std::vector<double>{0});
  CHECK_FALSE(matched_iou(table_of({0, 0}, {1, 2})).mean().has_value());
  // Best in sum, not greedy: 1-1 alone has the highest IoU but 1-2 and 2-1 are better together.
  const MatchedIou sum = matched_iou(table_of({1, 1, 1, 1, 1, 2, 2, 2}, {1, 1, 1, 2, 2, 1, 1, 0}));
  CHECK(sum.iou == std::vector<double>{2.0 / 5, 2.0 / 6});
}
