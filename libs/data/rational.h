// Fractions.
#pragma once

#include <cstdint>

namespace selfsight::data {

/// A number as a fraction, frames a second for one: 30000 / 1001.
struct Rational {
  std::int64_t numerator = 0, denominator = 1;
  [[nodiscard]] double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }
};

}  // namespace selfsight::data
