// PIL's antialiasing filters: which values of a line make each value of a resized line, and with what weights. Everything that is asked of
// a Sampling is constexpr, so that CUDA's compiler takes it for device code too.
#pragma once

#include "data/ops.h"

#include <algorithm>
#include <cstdint>

namespace selfsight::data {

/// The weight at distance `x`, before the weights of a sum are brought to 1.
constexpr double filter_at(Interpolation filter, double x) {
  constexpr double a = -0.5;
  x = x < 0 ? -x : x;
  if (filter == Interpolation::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

/// How the stretch [from, from + in) of a line of `length` values becomes `out` values.
struct Sampling {
  double scale = 1, shrink = 1, support = 1;
  // Places count from `shift`, so that a picture and a part of it give the same weights to the last bit.
  double offset = 0;
  std::int64_t shift = 0, least = 0, end = 0;
  std::int64_t taps = 0;  ///< values that make one of the result, some of them with a weight of 0
  Interpolation filter = Interpolation::bilinear;

  Sampling() = default;
  Sampling(double from, double in, std::int64_t length, std::int64_t out, Interpolation by);

  [[nodiscard]] constexpr double centre(std::int64_t i) const { return offset + (static_cast<double>(i) + 0.5) * scale; }
  /// The values of non-zero weight for value i of the result are [low, high), counted from `shift`.
  [[nodiscard]] constexpr std::int64_t low(std::int64_t i) const {
    return std::max(static_cast<std::int64_t>(centre(i) - support + 0.5), least);
  }
  [[nodiscard]] constexpr std::int64_t high(std::int64_t i) const {
    // Of a centre that lies between two values but for its rounding, `taps` + 1 may come out, those at both ends with a weight of nearly 0.
    return std::min({static_cast<std::int64_t>(centre(i) + support + 0.5), end, low(i) + taps});
  }
  /// The first of the `taps` values, counted from `shift`.
  [[nodiscard]] constexpr std::int64_t start(std::int64_t i) const { return std::min(low(i), end - taps); }
  /// The weight of value x, before they are brought to 1.
  [[nodiscard]] constexpr double weight(std::int64_t i, std::int64_t x) const {
    return filter_at(filter, (static_cast<double>(x) - centre(i) + 0.5) * shrink);
  }
};

/// Whether the down pass goes first. What bicubic weights make below 0 and above 255 is cut off after each pass, so their order shows.
/// Pillow 13 goes down first where that takes away more than twice as many lines as the other pass takes columns (earlier ones never do);
/// it is the cheaper order, too.
inline bool down_first(const Region& region, std::int64_t height, std::int64_t width) {
  const double fewer = region.height - static_cast<double>(height);
  return fewer > 0 && fewer > 2 * (region.width - static_cast<double>(width));
}

/// Whether a resize to height x width would leave every pixel as it is.
inline bool keeps_pixels(const Region& region, std::int64_t height, std::int64_t width) {
  return static_cast<double>(static_cast<std::int64_t>(region.x)) == region.x &&
         static_cast<double>(static_cast<std::int64_t>(region.y)) == region.y && static_cast<double>(width) == region.width &&
         static_cast<double>(height) == region.height;
}

}  // namespace selfsight::data
