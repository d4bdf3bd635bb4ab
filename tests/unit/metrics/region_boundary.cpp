#include "metrics/region_boundary.h"

#include "core/error.h"
#include "core/rng.h"
#include "metrics/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace selfsight;
using namespace selfsight::metrics;
using Labels = std::vector<std::uint16_t>;

TEST_CASE("J of objects against proposals, by hand") {
  // Truth: object 1 in the left half, object 2 in one corner; prediction: 1 covers half of object 1, 2 nothing, 3 all the rest.
  const Labels truth{1, 1, 0, 0, 1, 1, 0, 2}, prediction{1, 1, 3, 3, 3, 3, 3, 3};
  const FrameComparison frame({2, 4, truth}, {2, 4, prediction}, 3, 4);
  CHECK(frame.j(1, 1) == 0.5);
  CHECK(frame.j(1, 2) == 0);
  CHECK(frame.j(1, 3) == 2.0 / 8);
  CHECK(frame.j(2, 3) == 1.0 / 6);
  CHECK(frame.j(3, 2) == 1);  // empty against empty
  CHECK(frame.j(3, 4) == 1);  // beyond every label of the image
  CHECK(frame.f(3, 4) == 1);
  CHECK(frame.j(3, 1) == 0);
  CHECK(frame.f(3, 1) == 0);
  CHECK(frame.table().at(1, 3) == 2);
  CHECK_THROWS_AS(FrameComparison({2, 4, truth}, {4, 2, prediction}, 1, 1), core::Error);
}

TEST_CASE("J agrees with a count pixel by pixel, and permuting labels permutes the scores") {
  core::Rng rng(3, core::Stream::test);
  for (int round = 0; round < 1500; ++round) {
    const std::int64_t height = 1 + static_cast<std::int64_t>(rng.below(9)), width = 1 + static_cast<std::int64_t>(rng.below(70));
    const std::int64_t objects = 1 + static_cast<std::int64_t>(rng.below(4)), proposals = 1 + static_cast<std::int64_t>(rng.below(5));
    Labels truth(static_cast<std::size_t>(height * width)), prediction = truth, permuted = truth;
    std::vector<std::uint16_t> to(static_cast<std::size_t>(proposals + 1));
    for (std::size_t k = 0; k < to.size(); ++k) to[k] = static_cast<std::uint16_t>(k);
    std::vector<std::uint16_t> tail(to.begin() + 1, to.end());
    rng.shuffle(tail);
    std::copy(tail.begin(), tail.end(), to.begin() + 1);
    const std::uint64_t run = 1 + rng.below(12);
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const bool fresh = i == 0 || rng.below(run) == 0;
      truth[i] = fresh ? static_cast<std::uint16_t>(rng.below(static_cast<std::uint64_t>(objects + 2))) : truth[i - 1];
      prediction[i] = rng.below(run) == 0 || i == 0 ? static_cast<std::uint16_t>(rng.below(static_cast<std::uint64_t>(proposals + 1)))
                                                    : prediction[i - 1];
      permuted[i] = to[prediction[i]];
    }
    const FrameComparison frame({height, width, truth}, {height, width, prediction}, objects, proposals);
    const FrameComparison other({height, width, truth}, {height, width, permuted}, objects, proposals);
    for (std::int64_t o = 1; o <= objects; ++o) {
      for (std::int64_t p = 1; p <= proposals; ++p) {
        double both = 0, either = 0;
        for (std::size_t i = 0; i < truth.size(); ++i) {
          both += truth[i] == o && prediction[i] == p ? 1 : 0;
          either += truth[i] == o || prediction[i] == p ? 1 : 0;
        }
        REQUIRE(frame.j(o, p) == (either == 0 ? 1 : both / either));
        REQUIRE(frame.j(o, p) == other.j(o, to[static_cast<std::size_t>(p)]));
        REQUIRE(frame.f(o, p) == other.f(o, to[static_cast<std::size_t>(p)]));
        REQUIRE(frame.f(o, p) >= 0);
        REQUIRE(frame.f(o, p) <= 1);
      }
    }
  }
}

TEST_CASE("mean, recall and decay of a sequence") {
  const std::vector<double> values{1, 0.9, 0.5, 0.6, 0.2, 0.1, 0.4, 0};
  const SequenceStatistics s = sequence_statistics(values);
  CHECK(s.mean == mean(values));
  CHECK(s.recall == 3.0 / 8);  // 0.5 is not above 0.5
  // Bounds 0, 2 (1.75), 4 (3.5, halves up), 5 (5.25), 7; both ends belong to a quarter.
  CHECK(s.decay == doctest::Approx((1 + 0.9 + 0.5) / 3 - (0.1 + 0.4 + 0) / 3));
  CHECK(s.official_decay == s.decay);
  CHECK(sequence_statistics(std::vector<double>{0.7}).decay == 0);
  CHECK(sequence_statistics(std::vector<double>{0.7, 0.2}).decay == doctest::Approx(0.5));
  CHECK_THROWS_AS(sequence_statistics({}), core::Error);
}

TEST_CASE("the official decay wraps around beyond 256 frames, the corrected one does not") {
  const auto ramp = [](std::size_t frames) {
    std::vector<double> values(frames);
    for (std::size_t i = 0; i < frames; ++i) values[i] = 1 - static_cast<double>(i) / static_cast<double>(frames);
    return sequence_statistics(values);
  };
  CHECK(ramp(256).official_decay == ramp(256).decay);
  // 300 frames: the last quarter is 224..299, held as 224..43: none.
  CHECK(std::isnan(ramp(300).official_decay));
  CHECK(ramp(300).decay == doctest::Approx(224.0 / 300));
  // 400 frames: 0..100 and 299..399, held as 43..143.
  CHECK(ramp(400).official_decay == doctest::Approx(43.0 / 400));
  CHECK(ramp(400).decay == doctest::Approx(299.0 / 400));
}

TEST_CASE("decay of sequences of many lengths is that of the official program") {
  // davis2017-evaluation's db_statistics under NumPy 1.26 on the values (37 i mod 101) / 100.
  const double nothing = std::nan("");
  const std::vector<std::pair<std::size_t, double>> official{{1, 0.0},
                                                             {2, -0.37},
                                                             {3, -0.5549999999999999},
                                                             {5, -0.09999999999999998},
                                                             {7, -0.15000000000000008},
                                                             {100, -0.032307692307692315},
                                                             {254, -0.010312500000000113},
                                                             {255, -0.0022956730769231326},
                                                             {256, -0.0010769230769230864},
                                                             {257, nothing},
                                                             {300, nothing},
                                                             {400, 0.0},
                                                             {500, -0.005555555555555536},
                                                             {513, nothing},
                                                             {600, nothing},
                                                             {1000, nothing},
                                                             {1021, nothing}};
  for (const auto& one : official) {
    const std::size_t frames = one.first;
    const double decay = one.second;
    std::vector<double> values;
    values.reserve(frames);
    for (std::size_t i = 0; i < frames; ++i) values.push_back(static_cast<double>(37 * i % 101) / 100);
    const double ours = sequence_statistics(values).official_decay;
    CAPTURE(frames);
    CHECK((std::isnan(decay) ? std::isnan(ours) : ours == doctest::Approx(decay).epsilon(1e-12)));
  }
}
