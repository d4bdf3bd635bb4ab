// Lines of an image in single precision, which resizing and blurring compute in.
#pragma once

#include "data/lanes.h"

#include <algorithm>
#include <vector>

namespace selfsight::data {

/// Rows of which only the last few are kept.
class LineRing {
 public:
  /// Room for `kept` rows of `length` values; a row may be read and written 4 values beyond its end.
  void reset(std::int64_t kept, std::int64_t length) {
    kept_ = kept, stride_ = length + 4;
    values_.resize(static_cast<std::size_t>(kept * stride_));
  }
  [[nodiscard]] float* line(std::int64_t y) { return values_.data() + y % kept_ * stride_; }

 private:
  std::vector<float> values_;
  std::int64_t kept_ = 1, stride_ = 0;
};

inline void store_pixel_values(Lanes value, float* to) { store_lanes(clamped(value), to); }
inline void store_pixel_values(Lanes value, std::uint8_t* to) { store_lanes(clamped(value) + 0.5F, to); }

/// make(x) for each multiple of `block` below `length`, the last one moved back so that it ends with the line; false if the line is
/// shorter.
template <int block, typename Make>
bool in_blocks(std::int64_t length, const Make& make) {
  if (length < block) return false;
  for (std::int64_t x = 0; x < length; x += block) make(std::min(x, length - block));
  return true;
}

/// to[x] = sum over i < count of weights[i] * lines[i][x], for x < length; kept within 0..255, and rounded if it is uint8. `to` is none of
/// the lines.
template <typename From, typename To>
void weighted_sum(const From* const* lines_of, const float* weights, std::int64_t count, std::int64_t length, To* to) {
  constexpr int registers = 4;
  if (in_blocks<registers * lanes>(length, [&](std::int64_t x) {
        Lanes sum[registers] = {};
        for (std::int64_t i = 0; i < count; ++i) {
          const From* from = lines_of[i] + x;
          const Lanes weight = all_lanes(weights[i]);
          for (int k = 0; k < registers; ++k) sum[k] = fused(load_lanes(from + k * lanes), weight, sum[k]);
        }
        for (int k = 0; k < registers; ++k) store_pixel_values(sum[k], to + x + k * lanes);
      }))
    return;
  for (std::int64_t x = 0; x < length; ++x) {
    float sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum = std::fma(static_cast<float>(lines_of[i][x]), weights[i], sum);
    sum = std::clamp(sum, 0.0F, 255.0F);
    if constexpr (sizeof(To) == 1) {
      to[x] = static_cast<To>(static_cast<int>(sum + 0.5F));
    } else {
      to[x] = sum;
    }
  }
}

/// 8-bit values as floats.
inline void widen(const std::uint8_t* from, std::int64_t count, float* to) {
  constexpr float weight = 1;
  weighted_sum(&from, &weight, 1, count, to);
}

/// Floats as the nearest 8-bit values.
inline void narrow(const float* from, std::int64_t count, std::uint8_t* to) {
  constexpr float weight = 1;
  weighted_sum(&from, &weight, 1, count, to);
}

}  // namespace selfsight::data
