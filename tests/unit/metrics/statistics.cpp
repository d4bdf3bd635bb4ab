#include "metrics/statistics.h"

#include "core/error.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight;
using Values = std::vector<double>;

TEST_CASE("mean, deviation and standard error of known values") {
  const Values values{2, 4, 4, 4, 5, 5, 7, 9};
  CHECK(metrics::mean(values) == doctest::Approx(5));
  CHECK(metrics::standard_deviation(values) == doctest::Approx(std::sqrt(32.0 / 7)));
  CHECK(metrics::standard_error(values) == doctest::Approx(std::sqrt(32.0 / 7 / 8)));
  CHECK(metrics::mean(Values{}) == 0);
  CHECK(metrics::standard_deviation(Values{3}) == 0);
  CHECK(metrics::standard_error(Values{}) == 0);
}

TEST_CASE("a paired difference removes what both share") {
  const Values a{60, 70, 80}, b{58, 69, 77};
  const metrics::Paired d = metrics::paired_difference(a, b);
  CHECK(d.samples == Values{2, 1, 3});
  CHECK(d.mean == doctest::Approx(2));
  CHECK(d.standard_error == doctest::Approx(1 / std::sqrt(3.0)));
  CHECK(d.standard_error < metrics::standard_error(a));
  CHECK_THROWS_AS(metrics::paired_difference(a, Values{1}), core::Error);
}
