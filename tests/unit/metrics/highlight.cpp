#include "metrics/highlight.h"

#include "metrics/statistics.h"
#include "unit/support.h"

#include <nlohmann/json.hpp>

using namespace selfsight;
using metrics::ApRule;
using Order = std::vector<std::int64_t>;
using Marks = std::vector<std::uint8_t>;

TEST_CASE("AP of a video by both rules, and TVSum's top five") {
  const auto json = nlohmann::json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/scores.json"));
  for (const auto& one : json["youtube"]) {
    const std::vector<double> scores = one["scores"];
    const Marks positive = one["positive"];
    const Order order = metrics::by_score(scores);
    CHECK(metrics::highlight_ap(order, positive, ApRule::trapezoid) == doctest::Approx(one["trapezoid"].get<double>()).epsilon(1e-12));
    CHECK(metrics::highlight_ap(order, positive, ApRule::step) == doctest::Approx(one["step"].get<double>()).epsilon(1e-12));
  }
  for (const auto& one : json["tvsum"]) {
    const auto marks = metrics::above_median(one["importance"].get<std::vector<std::vector<double>>>());
    const std::vector<double> scores = one["scores"];
    std::vector<double> per_annotator;
    per_annotator.reserve(marks.size());
    for (const auto& positive : marks)
      per_annotator.push_back(metrics::highlight_ap(metrics::by_score(scores), positive, ApRule::trapezoid, 5));
    CHECK(metrics::mean(per_annotator) == doctest::Approx(one["top5"].get<double>()).epsilon(1e-12));
  }
}

TEST_CASE("orders known by heart") {
  const Order five{0, 1, 2, 3, 4};
  const auto top5 = [&](const Marks& marks) { return metrics::highlight_ap(five, marks, ApRule::trapezoid, 5); };
  CHECK(top5({1, 0, 0, 0, 0}) == 1);
  CHECK(top5({0, 0, 0, 0, 1}) == doctest::Approx(0.1));
  CHECK(top5({1, 1, 0, 1, 0}) == doctest::Approx(0.902778).epsilon(1e-6));
  CHECK(top5({0, 0, 0, 0, 0}) == 0);
  // A positive behind the fifth place is not missed: recall is relative to those among the five.
  CHECK(metrics::highlight_ap(Order{0, 1, 2, 3, 4, 5, 6}, Marks{1, 0, 0, 0, 0, 0, 1}, ApRule::trapezoid, 5) == 1);
}

TEST_CASE("chance is not the share of positives: the mean over all orders of two in four") {
  Order order{0, 1, 2, 3};
  double step = 0, trapezoid = 0;
  int orders = 0;
  do {
    step += metrics::highlight_ap(order, Marks{1, 1, 0, 0}, ApRule::step);
    trapezoid += metrics::highlight_ap(order, Marks{1, 1, 0, 0}, ApRule::trapezoid);
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(step / orders == doctest::Approx(0.680556).epsilon(1e-6));
  CHECK(trapezoid / orders == doctest::Approx(0.590278).epsilon(1e-6));
}

TEST_CASE("equal scores stand in the order of the clips; the median is the lower one") {
  CHECK(metrics::by_score(std::vector<double>{1, 3, 3, 0, 3}) == Order{1, 2, 4, 0, 3});
  CHECK(metrics::lower_median(std::vector<double>{4, 1, 3, 2}) == 2);
  CHECK(metrics::lower_median(std::vector<double>{5, 1, 3}) == 3);
  CHECK_THROWS_AS(metrics::lower_median(std::vector<double>{}), core::Error);
  // Above, not at, the median: an annotator who gave all clips the same marks none.
  CHECK(metrics::above_median({{1, 2}, {1, 3}, {1, 4}, {1, 5}}) == std::vector<Marks>{{0, 0, 0, 0}, {0, 0, 1, 1}});
}

TEST_CASE("QVHighlights' interpolated AP by hand") {
  const auto ap = [](const std::vector<double>& scores, const Marks& marks) { return metrics::interpolated_ap(scores, marks); };
  CHECK(ap({9, 8, 7, 6}, {1, 0, 1, 0}) == doctest::Approx((1 + 2.0 / 3) / 2));
  CHECK(ap({9, 8, 7, 6}, {0, 1, 1, 0}) == doctest::Approx(2.0 / 3));  // 1/2, then 2/3, which is the highest at either recall
  CHECK(ap({5, 5, 1}, {1, 1, 0}) == 1);
  CHECK(ap({5, 5, 1}, {1, 0, 1}) == doctest::Approx(2.0 / 3));
  CHECK(ap({5, 5, 1}, {0, 0, 0}) == 0);
  CHECK(ap({1, 2, 3}, {1, 1, 1}) == 1);
}
