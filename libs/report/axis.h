// Axes: from data limits to round ticks, and from values to places in a drawing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace selfsight::report {

/// Round values (1, 2 or 5 times a power of ten apart) that cover [low, high] inclusively, about `target` of them. For low == high
/// the limits are widened first, 0 upwards only. Never empty; strictly increasing.
std::vector<double> nice_ticks(double low, double high, int target);
/// Powers of ten that cover [low, high], both > 0; with 2 and 5 times of them where there are fewer than three decades.
std::vector<double> log_ticks(double low, double high);
/// A tick's text: as many decimals as the distance to its neighbours needs; powers of ten beyond 10^5 and 10^-4.
std::string tick_text(double value, double step);

/// A number's text without the minus of "-0.0".
std::string without_minus_zero(std::string text);
/// A number for people: four significant digits, "1.2e-05" outside [1e-3, 1e6).
std::string number_text(double value);
/// "60,000".
std::string count_text(std::int64_t value);
/// "7 min 32 s".
std::string seconds_text(double seconds);

/// The limits of the finite values; {0, 1} when there are none.
struct Limits {
  double low = 0, high = 1;
};
Limits limits_of(std::span<const double> values);

/// A map of values to drawing units.
struct Scale {
  std::vector<double> ticks;
  bool log = false;
  double from = 0, to = 1;  ///< drawing units of the first and the last tick

  /// An axis over `limits` between `from` and `to`; logarithmic only where all values are positive.
  static Scale over(Limits limits, bool log, double from, double to, int target);
  [[nodiscard]] double operator()(double value) const;
  [[nodiscard]] std::string text(std::size_t tick) const;
};

}  // namespace selfsight::report
