#include "train/schedule.h"

#include <doctest/doctest.h>

using namespace selfsight::train;

TEST_CASE("cosine, ramp and warm-up reach their ends") {
  CHECK(cosine(3, 1, 0) == doctest::Approx(3));
  CHECK(cosine(3, 1, 0.5) == doctest::Approx(2));
  CHECK(cosine(3, 1, 1) == doctest::Approx(1));
  CHECK(cosine(3, 1, 2) == doctest::Approx(1));

  const auto at = [](std::int64_t step) { return Progress{.step = step, .total_steps = 100, .steps_per_epoch = 10}; };

  CHECK(warmup_cosine(0, 1, 0.1, 2, at(0)) == doctest::Approx(1.0 / 20));
  CHECK(warmup_cosine(0, 1, 0.1, 2, at(19)) == doctest::Approx(1));
  CHECK(warmup_cosine(0, 1, 0.1, 2, at(20)) == doctest::Approx(1));
  CHECK(warmup_cosine(0, 1, 0.1, 2, at(60)) == doctest::Approx(0.55));
  CHECK(warmup_cosine(0, 1, 0.1, 2, at(100)) == doctest::Approx(0.1));
  CHECK(warmup_cosine(0, 1, 0.1, 0, at(0)) == doctest::Approx(1));
  CHECK(warmup_cosine(0.3, 1, 0.1, 2, at(9)) == doctest::Approx(0.65));  // half of the way from its start
  CHECK(warmup_cosine(0, 1, 0.1, 0.15, at(1)) == doctest::Approx(1));    // a warm-up of 1.5 steps does not pass the peak
}
