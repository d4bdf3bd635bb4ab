#include "report/axis.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight::report;

TEST_CASE("ticks are round, increasing, and cover the limits") {
  CHECK(nice_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  const auto ticks = nice_ticks(67.3, 76.2, 5);
  CHECK(ticks.front() <= 67.3);
  CHECK(ticks.back() >= 76.2);
  for (const auto& [low, high] : {std::pair{-3.2, 0.001}, {1e-9, 3e-9}, {-1e7, 2e9}, {0.99999, 1.00001}, {-5.0, -5.0}, {0.0, 0.0}}) {
    const auto some = nice_ticks(low, high, 5);
    REQUIRE(some.size() >= 2);
    CHECK(some.size() <= 12);
    const double step = some[1] - some[0];
    CHECK(some.front() <= low + 1e-6 * step);
    CHECK(some.back() >= high - 1e-6 * step);
    const double mantissa = step / std::pow(10, std::floor(std::log10(step) + 1e-9));
    CHECK((std::abs(mantissa - 1) < 1e-6 || std::abs(mantissa - 2) < 1e-6 || std::abs(mantissa - 5) < 1e-6));
    for (std::size_t i = 1; i < some.size(); ++i) CHECK(some[i] > some[i - 1]);
  }
}

TEST_CASE("an axis of nothing but zeros begins at zero") {
  CHECK(nice_ticks(0, 0, 5).front() == 0);
  CHECK(nice_ticks(0, 0, 5).back() == 1);
}

TEST_CASE("logarithmic ticks cover their limits, in powers of ten over many decades") {
  const auto many = log_ticks(3e-5, 0.2);
  CHECK(many.size() == 6);
  CHECK(many.front() == doctest::Approx(1e-5));
  CHECK(many.back() == doctest::Approx(1));
  const auto few = log_ticks(2.5, 40);
  CHECK(few.front() == doctest::Approx(2));
  CHECK(few.back() == doctest::Approx(50));
  CHECK(log_ticks(5, 5).size() >= 2);
}

TEST_CASE("a scale maps its ends to its ends, and the middle of decades to the middle") {
  const Scale linear = Scale::over({0, 10}, false, 100, 0, 5);
  CHECK(linear(0) == doctest::Approx(100));
  CHECK(linear(5) == doctest::Approx(50));
  const Scale log = Scale::over({1e-4, 1}, true, 0, 80, 5);
  CHECK(log(1e-2) == doctest::Approx(40));
  CHECK_FALSE(Scale::over({0, 1}, true, 0, 80, 5).log);
}

TEST_CASE("numbers as people read them") {
  CHECK(tick_text(0.30000000000000004, 0.1) == "0.3");
  CHECK(tick_text(-1e-18, 0.5) == "0");
  CHECK(tick_text(250000, 50000) == "2.5e5");
  CHECK(tick_text(75, 5) == "75");
  CHECK(count_text(60000) == "60,000");
  CHECK(count_text(-1234567) == "-1,234,567");
  CHECK(count_text(999) == "999");
  CHECK(number_text(200) == "200");
  CHECK(number_text(-0.0) == "0");
  CHECK(without_minus_zero("-0.00") == "0.00");
  CHECK(without_minus_zero("-0.01") == "-0.01");
  CHECK(number_text(0.123456) == "0.1235");
  CHECK(number_text(0.00003) == "3.00e-05");
  CHECK(seconds_text(452.3) == "7 min 32 s");
  CHECK(seconds_text(7260) == "2 h 1 min");
}

TEST_CASE("limits leave out what is not finite") {
  const std::vector<double> values = {NAN, 3, -1, INFINITY};
  CHECK(limits_of(values).low == -1);
  CHECK(limits_of(values).high == 3);
  CHECK(limits_of({}).high == 1);
}
