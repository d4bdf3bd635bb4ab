// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A stream is a pure function of its key, so a view's numbers do not depend on workers, ranks or resumes.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

namespace selfsight::core {

/// What a stream is for; part of its key, so that two uses of one (seed, epoch, sample) never share numbers.
enum class Stream : std::uint32_t {
  view = 1,
  shuffle = 2,
  mate = 3,
  split = 4,
  init = 5,
  step = 6,
  eval = 7,
  replace = 8,
  epoch = 9,
  clip = 10,
  test = 99
};

/// One block of Philox4x32-10: four words from a counter of four and a key of two.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// A stream of random numbers with the key (seed, stream, a, b, c), for example (seed, Stream::view, epoch, sample, view).
/// Satisfies UniformRandomBitGenerator. The first three indices are folded to 64 bits by a Philox block each.
class Rng {
 public:
  using result_type = std::uint32_t;
  explicit Rng(std::uint64_t seed, Stream stream, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    const auto fold = [](std::array<std::uint32_t, 2> key, std::uint64_t value, std::uint32_t tag) {
      const auto block = philox({static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32), tag, 0}, key);
      return std::array<std::uint32_t, 2>{block[0], block[1]};
    };
    key_ = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    key_ = fold(key_, static_cast<std::uint64_t>(stream), 0);
    key_ = fold(key_, a, 1);
    key_ = fold(key_, b, 2);
    key_ = fold(key_, c, 3);
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xFFFFFFFF; }

  result_type operator()() {
    if (used_ == 4) {
      block_ = philox({static_cast<std::uint32_t>(next_), static_cast<std::uint32_t>(next_ >> 32), 0, 1}, key_);
      ++next_;
      used_ = 0;
    }
    return block_[used_++];
  }
  std::uint64_t bits64() {
    const std::uint64_t high = (*this)();
    return high << 32 | (*this)();
  }
  /// U[0, 1) with 53 bits.
  double uniform() { return static_cast<double>(bits64() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, bound), without modulo bias (Lemire 2019). `bound` > 0.
  std::uint64_t below(std::uint64_t bound) {
    for (;;) {
      const std::uint64_t word = bits64();
      __extension__ using Wide = unsigned __int128;  // beyond ISO C++, in every compiler that matters
      const Wide product = static_cast<Wide>(word) * bound;
      const auto low = static_cast<std::uint64_t>(product);
      if (low >= bound || low >= (0 - bound) % bound) return static_cast<std::uint64_t>(product >> 64);
    }
  }
  bool chance(double probability) { return uniform() < probability; }
  /// N(0, 1) by Box-Muller, one number a call so that the count of words used does not depend on history.
  double normal() {
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }
  /// Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000; below 1 by a power of a uniform number). Takes as many numbers as it needs.
  double gamma(double shape) {
    if (shape < 1) return gamma(shape + 1) * std::pow(1.0 - uniform(), 1.0 / shape);
    const double d = shape - 1.0 / 3, c = 1.0 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal(), v = std::pow(1 + c * x, 3);
      if (v > 0 && std::log(1.0 - uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
  }
  /// Beta(a, b) on [0, 1].
  double beta(double a, double b) {
    for (;;) {
      const double x = gamma(a), y = gamma(b);
      if (x + y > 0) return x / (x + y);  // both can be too small for a double when a and b are
    }
  }
  /// Fisher-Yates.
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> block_{};
  std::uint64_t next_ = 0;
  unsigned used_ = 4;
};

}  // namespace selfsight::core
