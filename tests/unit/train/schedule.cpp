#include "train/schedule.h"

#include "train/trainer.h"
#include "unit/support.h"

#include <doctest/doctest.h>

using namespace selfsight;
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

TEST_CASE("steps: each bound is the first epoch with the lower rate (RotNet's table for CIFAR-10)") {
  TrainOptions options;
  options.schedule = "steps";
  options.lr_steps = {60, 120, 160};
  options.lr_gamma = 0.2;
  const auto at = [](std::int64_t step) { return Progress{.step = step, .total_steps = 200 * 390, .steps_per_epoch = 390}; };
  const std::vector<std::pair<std::int64_t, double>> table = {{0, 0.1},     {59, 0.1},    {60, 0.02},    {119, 0.02},
                                                              {120, 0.004}, {159, 0.004}, {160, 0.0008}, {199, 0.0008}};
  for (const auto& [epoch, rate] : table) {
    CAPTURE(epoch);
    CHECK(options.learning_rate(0.1, at(epoch * 390)) == doctest::Approx(rate).epsilon(1e-12));        // its first update
    CHECK(options.learning_rate(0.1, at(epoch * 390 + 389)) == doctest::Approx(rate).epsilon(1e-12));  // its last
  }
  options.warmup_epochs = 2;
  options.warmup_lr = 0.01;
  CHECK(options.learning_rate(0.1, at(389)) == doctest::Approx(0.055));
  CHECK(options.learning_rate(0.1, at(780)) == doctest::Approx(0.1));
  CHECK(options.learning_rate(0.1, at(60 * 390)) == doctest::Approx(0.02));
  options.lr_steps = {};
  CHECK(options.learning_rate(0.1, at(199 * 390)) == doctest::Approx(0.1));
  options.schedule = "cosine";
  CHECK(options.learning_rate(0.1, at(199 * 390)) == warmup_cosine(0.01, 0.1, 0, 2, at(199 * 390)));
}

TEST_CASE("steps that do not rise are refused with their option") {
  core::Options set;
  TrainOptions options;
  options.describe(set);
  set.find("lr-steps")->set_text("30,60,80", "--lr-steps");
  options.check();
  for (const char* wrong : {"60,30", "30,30"}) {
    set.find("lr-steps")->set_text(wrong, "--lr-steps");
    CHECK(test::contains(test::error_of(core::Exit::usage, [&] { options.check(); }), std::string("--lr-steps ") + wrong));
  }
  test::error_of(core::Exit::usage, [&] { set.find("lr-steps")->set_text("0,10", "--lr-steps"); });
  test::error_of(core::Exit::usage, [&] { set.find("schedule")->set_text("stairs", "--schedule"); });
}
