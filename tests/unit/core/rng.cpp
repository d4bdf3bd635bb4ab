#include "core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

using namespace selfsight::core;

// The known answers that come with the generator's reference implementation (Random123, kat_vectors, philox4x32-10).
TEST_CASE("philox gives the published known answers") {
  using Block = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream depends on every part of its key and on nothing else") {
  const auto first = [](Rng rng) { return rng.bits64(); };
  const std::uint64_t base = first(Rng(1, Stream::view, 2, 3, 4));
  CHECK(base == first(Rng(1, Stream::view, 2, 3, 4)));
  std::set<std::uint64_t> seen = {base};
  for (const Rng& other :
       {Rng(2, Stream::view, 2, 3, 4), Rng(1, Stream::shuffle, 2, 3, 4), Rng(1, Stream::view, 3, 3, 4), Rng(1, Stream::view, 2, 4, 4),
        Rng(1, Stream::view, 2, 3, 5), Rng(1, Stream::view, 3, 2, 4), Rng(1, Stream::view, 2, 3, std::uint64_t{4} << 32)})
    CHECK(seen.insert(first(other)).second);
}

TEST_CASE("neighbouring keys give unrelated streams") {
  // Means of 4096 first draws of neighbouring samples: 5 standard errors.
  constexpr int count = 4096;
  double sum = 0, product = 0, before = 0;
  for (int sample = 0; sample < count; ++sample) {
    const double u = Rng(7, Stream::view, 0, static_cast<std::uint64_t>(sample)).uniform() - 0.5;
    sum += u;
    product += u * before;
    before = u;
  }
  CHECK(std::abs(sum / count) < 5 * std::sqrt(1.0 / 12 / count));
  CHECK(std::abs(product / count) < 5.0 / 12 / std::sqrt(count));
}

TEST_CASE("uniform, below, chance and normal have their distributions") {
  Rng rng(3, Stream::test);
  constexpr int count = 200000;
  double low = 1, high = 0, mean = 0, normal_mean = 0, normal_square = 0, heads = 0;
  std::vector<int> counts(10);
  for (int i = 0; i < count; ++i) {
    const double u = rng.uniform();
    low = std::min(low, u);
    high = std::max(high, u);
    mean += u / count;
    const double z = rng.normal();
    normal_mean += z / count;
    normal_square += z * z / count;
    heads += rng.chance(0.3) ? 1.0 / count : 0;
    ++counts.at(rng.below(10));
  }
  CHECK(low >= 0);
  CHECK(high < 1);
  CHECK(mean == doctest::Approx(0.5).epsilon(0.01));
  CHECK(std::abs(normal_mean) < 5 / std::sqrt(count));
  CHECK(normal_square == doctest::Approx(1).epsilon(0.02));
  CHECK(heads == doctest::Approx(0.3).epsilon(0.02));
  double chi_square = 0;
  for (const int n : counts) chi_square += (n - count / 10.0) * (n - count / 10.0) / (count / 10.0);
  CHECK(chi_square < 33.7);  // p = 1e-4 at 9 degrees of freedom
  CHECK(rng.below(1) == 0);
  const double between = rng.uniform(-3, -2);
  CHECK((between >= -3 && between < -2));
}

TEST_CASE("below reaches the whole of a range that is no power of two, up to 64 bits") {
  Rng rng(4, Stream::test);
  const std::uint64_t bound = (std::uint64_t{3} << 62) + 1;
  std::uint64_t most = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t value = rng.below(bound);
    REQUIRE(value < bound);
    most = std::max(most, value);
  }
  CHECK(most > std::uint64_t{1} << 63);
}

TEST_CASE("shuffle is a permutation, and every order comes up") {
  std::vector<int> items(50);
  std::iota(items.begin(), items.end(), 0);
  Rng rng(5, Stream::shuffle);
  auto shuffled = items;
  rng.shuffle(shuffled);
  CHECK(shuffled != items);
  std::sort(shuffled.begin(), shuffled.end());
  CHECK(shuffled == items);
  std::set<std::vector<int>> orders;
  for (int i = 0; i < 200; ++i) {
    std::vector<int> three = {1, 2, 3};
    rng.shuffle(three);
    orders.insert(three);
  }
  CHECK(orders.size() == 6);
}
