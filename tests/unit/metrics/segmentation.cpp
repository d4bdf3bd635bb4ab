#include "metrics/segmentation.h"

#include "core/error.h"

#include <doctest/doctest.h>

using namespace selfsight;
using namespace selfsight::metrics;

TEST_CASE("figures of a small table, by hand") {
  // Classes 0..3; the fifth column holds predictions of no class. Class 2 is only predicted, class 3 is nowhere.
  Contingency table(4, 5);
  table.counts = {6, 1, 1, 0, 0, /**/ 2, 8, 0, 0, 2, /**/ 0, 0, 0, 0, 0, /**/ 0, 0, 0, 0, 0};
  const auto s = segmentation_scores(table);
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
  CHECK(s->truth_pixels == std::vector<std::int64_t>{8, 12, 0, 0});
}

TEST_CASE("no labelled pixel gives no figures; a table without room for its classes is a fault") {
  CHECK_FALSE(segmentation_scores(Contingency(3, 4)).has_value());
  CHECK_THROWS_AS(segmentation_scores(Contingency(3, 2)), core::Error);
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
