#include "metrics/segmentation.h"

#include "core/error.h"
#include "metrics/label_runs.h"

#include <doctest/doctest.h>

using namespace selfsight;
using namespace selfsight::metrics;

TEST_CASE("figures of a small table, by hand") {
  // Class 2 is only predicted, class 3 is nowhere; -1: predicted as no class.
  const std::vector<std::vector<std::int64_t>> table{{0, 0, 6}, {0, 1, 1}, {0, 2, 1}, {1, 0, 2}, {1, 1, 8}, {1, -1, 2}};
  ClassCounts counts(4);
  for (const auto& entry : table) counts.add(entry[0], entry[1], entry[2]);
  const auto s = segmentation_scores(counts);
  REQUIRE(s.has_value());
  CHECK(s->pixel_accuracy == 14.0 / 20);
  CHECK(s->iou[0] == 6.0 / 10);
  CHECK(s->iou[1] == 8.0 / 13);
  CHECK(s->iou[2] == 0.0);
  CHECK_FALSE(s->iou[3].has_value());
  CHECK(s->accuracy[0] == 6.0 / 8);
  CHECK(s->accuracy[1] == 8.0 / 12);
  CHECK_FALSE(s->accuracy[2].has_value());
  CHECK(s->mean_iou == doctest::Approx((6.0 / 10 + 8.0 / 13) / 3));
  CHECK(s->mean_accuracy == doctest::Approx((6.0 / 8 + 8.0 / 12) / 2));
  CHECK(s->frequency_weighted_iou == doctest::Approx((8 * 0.6 + 12 * 8.0 / 13) / 20));
  CHECK(counts.truth == std::vector<std::int64_t>{8, 12, 0, 0});
}

TEST_CASE("counts add up; no pixel gives no figures; counts of other classes are a fault") {
  CHECK_FALSE(segmentation_scores(ClassCounts(3)).has_value());
  ClassCounts a(2), b(2);
  a.add(0, 0, 3), b.add(0, 1, 5), b.add(1, 1, 7);
  a += b;
  CHECK(a.truth == std::vector<std::int64_t>{8, 7});
  CHECK(a.predicted == std::vector<std::int64_t>{3, 12});
  CHECK(a.right == std::vector<std::int64_t>{3, 7});
  CHECK_THROWS_AS(a += ClassCounts(3), core::Error);
}

TEST_CASE("tables add up, whatever their sizes") {
  Contingency sum(1, 3), other(2, 2);
  sum.counts = {1, 2, 3};
  other.counts = {10, 20, 30, 40};
  sum += other;
  CHECK(sum.rows == 2);
  CHECK(sum.columns == 3);
  CHECK(sum.counts == std::vector<std::int64_t>{11, 22, 3, 30, 40, 0});
  CHECK(sum.row_sum(1) == 70);
  CHECK(sum.column_sum(0) == 41);
  CHECK(sum.row_sum(5) == 0);
}
