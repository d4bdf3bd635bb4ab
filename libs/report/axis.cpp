#include "report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

namespace selfsight::report {

std::vector<double> nice_ticks(double low, double high, int target) {
  if (!(high > low)) {
    const double room = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= low == 0 ? 0 : room;  // what is measured to be nothing is seldom below it
    high += room;
  }
  const double raw = (high - low) / std::max(1, target);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double share = raw / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  const auto first = static_cast<std::int64_t>(std::floor(low / step + 1e-9));
  const auto last = static_cast<std::int64_t>(std::ceil(high / step - 1e-9));
  std::vector<double> ticks;
  for (std::int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9)), last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  std::vector<double> all;
  for (int power = first; power <= std::max(last, first + 1); ++power) {
    for (const int digit : {1, 2, 5}) {
      if (digit == 1 || last - first < 3) all.push_back(digit * std::pow(10.0, power));
    }
  }
  // Only what is needed: one tick at or below `low` and one at or above `high`.
  auto begin = std::upper_bound(all.begin(), all.end(), low * (1 + 1e-9));
  if (begin != all.begin()) --begin;
  auto end = std::lower_bound(all.begin(), all.end(), high * (1 - 1e-9));
  end = end == all.end() ? end : end + 1;
  if (end - begin < 2) end = std::min(begin + 2, all.end());
  return {begin, end};
}

std::string tick_text(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  const double size = std::abs(value);
  if (size >= 1e5 || (size < 1e-3 && step < 1e-3)) {
    const int power = static_cast<int>(std::floor(std::log10(size) + 1e-9));
    return fmt::format("{:.4g}e{}", value / std::pow(10.0, power), power);
  }
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 8);
  return without_minus_zero(fmt::format("{:.{}f}", value, decimals));
}

std::string without_minus_zero(std::string text) {
  if (text.starts_with('-') && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);
  return text;
}

std::string number_text(double value) {
  const double size = std::abs(value);
  if (value == std::round(value) && size < 1e6) return without_minus_zero(fmt::format("{:.0f}", value));
  if (size >= 1e6 || size < 1e-3) return fmt::format("{:.2e}", value);
  return fmt::format("{:.4g}", value);
}

std::string count_text(std::int64_t value) {
  const std::string digits = std::to_string(std::abs(value));
  std::string out = value < 0 ? "-" : "";
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string seconds_text(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

Limits limits_of(std::span<const double> values) {
  Limits out{INFINITY, -INFINITY};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    out.low = std::min(out.low, value);
    out.high = std::max(out.high, value);
  }
  return out.low <= out.high ? out : Limits{};
}

Scale Scale::over(Limits limits, bool log, double from, double to, int target) {
  Scale out;
  out.log = log && limits.low > 0;
  out.ticks = out.log ? log_ticks(limits.low, limits.high) : nice_ticks(limits.low, limits.high, target);
  out.from = from;
  out.to = to;
  return out;
}

double Scale::operator()(double value) const {
  const double low = ticks.front(), high = ticks.back();
  const double share = log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + share * (to - from);
}

std::string Scale::text(std::size_t tick) const {
  return log ? tick_text(ticks[tick], ticks[tick]) : tick_text(ticks[tick], ticks[1] - ticks[0]);
}

}  // namespace selfsight::report
