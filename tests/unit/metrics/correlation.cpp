#include "metrics/correlation.h"

#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <cmath>

using namespace selfsight;
using Values = std::vector<double>;

TEST_CASE("Pearson and Spearman are scipy's, for large and small values and with ties") {
  const auto json = nlohmann::json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/scores.json"));
  for (const auto& one : json["correlations"]) {
    const Values a = one["a"], b = one["b"];
    CHECK(*metrics::pearson(a, b, "a", "b").value == doctest::Approx(one["pearson"].get<double>()).epsilon(1e-10));
    CHECK(*metrics::spearman(a, b, "a", "b").value == doctest::Approx(one["spearman"].get<double>()).epsilon(1e-10));
    // Ranks do not see a monotone map.
    Values mapped;
    for (const double value : b) mapped.push_back(std::exp(value) - 7);
    CHECK(*metrics::spearman(a, mapped, "a", "b").value == doctest::Approx(one["spearman"].get<double>()).epsilon(1e-10));
  }
}

TEST_CASE("ranks of equal values are their mean") {
  CHECK(metrics::average_ranks(Values{3, 1, 3, 3, 2}) == Values{4, 1, 4, 4, 2});
  CHECK(metrics::average_ranks(Values{}).empty());
}

TEST_CASE("what is not defined has a reason and no value") {
  const Values rising{1, 2, 3}, constant{2, 2, 2};
  CHECK(*metrics::spearman(rising, Values{10, 20, 30}, "a", "b").value == doctest::Approx(1));
  CHECK(*metrics::spearman(rising, Values{3, 2, 1}, "a", "b").value == doctest::Approx(-1));
  for (const auto& correlate : {metrics::pearson, metrics::spearman}) {
    const auto one = correlate(rising, constant, "truth", "predicted scores");
    CHECK(!one.value);
    CHECK(one.reason == "the predicted scores are all equal");
    CHECK(correlate(constant, rising, "truth", "predicted scores").reason == "the truth are all equal");
    CHECK(correlate(Values{1}, Values{2}, "a", "b").reason == "fewer than two pairs");
  }
  CHECK(!metrics::pearson(Values{0, 0}, Values{1, 2}, "a", "b").value);
  CHECK_THROWS_AS(metrics::pearson(rising, Values{1}, "a", "b"), core::Error);
}
