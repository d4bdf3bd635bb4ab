// Shuffles that go through shards in windows: every sample once, no more shards at a time than asked for, and no trace of the shards in
// what comes after what.
#include "data/plan.h"
#include "unit/support.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace selfsight::data {
namespace {

using Indices = std::vector<std::int64_t>;

// The shard of every sample, for shards of these sizes.
Indices shards_of_sizes(const Indices& sizes) {
  Indices shards;
  for (std::size_t s = 0; s < sizes.size(); ++s)
    shards.insert(shards.end(), static_cast<std::size_t>(sizes[s]), static_cast<std::int64_t>(s));
  return shards;
}

Indices order_of(const Indices& shards, std::int64_t window, std::uint64_t seed, std::int64_t epoch, std::int64_t batch = 16) {
  Indices order;
  for (const BatchPlan& draws : windowed_plan(shards, window, batch, seed, epoch, false))
    for (const Draw& draw : draws) order.push_back(draw.sample);
  return order;
}

// The most shards of which some samples, but not all, were drawn at any time; one that is begun and ended by one draw counts too.
std::int64_t most_open(const Indices& shards, const Indices& order) {
  std::map<std::int64_t, std::int64_t> left;
  for (const auto shard : shards) ++left[shard];
  std::set<std::int64_t> open;
  std::size_t most = 0;
  for (const auto sample : order) {
    const std::int64_t shard = shards[static_cast<std::size_t>(sample)];
    open.insert(shard);
    most = std::max(most, open.size());
    if (--left[shard] == 0) open.erase(shard);
  }
  return static_cast<std::int64_t>(most);
}

}  // namespace

TEST_CASE("a windowed plan has every sample once, from no more shards at a time than the window") {
  const Indices shards = shards_of_sizes({10, 1, 30, 7, 7, 25, 12, 3, 40, 9, 11});
  for (const std::int64_t window : {1, 2, 3, 4, 5, 10}) {
    CAPTURE(window);
    const Indices order = order_of(shards, window, 3, 5);
    Indices sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < sorted.size(); ++i) CHECK(sorted[i] == static_cast<std::int64_t>(i));
    CHECK(order.size() == shards.size());
    CHECK(most_open(shards, order) <= window);
    CHECK(most_open(shards, order) >= (window + 1) / 2);  // windows are about equal: none is left with a single shard
  }
  const auto plan = windowed_plan(shards, 3, 16, 3, 5, true);
  CHECK(plan.size() == shards.size() / 16);
  for (const BatchPlan& batch : plan) CHECK(batch.size() == 16);
}

TEST_CASE("a windowed plan is a function of seed and epoch; the batch only cuts it; a window over all is the plain shuffle") {
  const Indices shards = shards_of_sizes(Indices(12, 20));
  const Indices one = order_of(shards, 4, 1, 0);
  CHECK(one == order_of(shards, 4, 1, 0));
  CHECK(one == order_of(shards, 4, 1, 0, 100));
  CHECK(one != order_of(shards, 4, 1, 1));
  CHECK(one != order_of(shards, 4, 2, 0));
  Indices plain;
  for (const auto& draws : shuffled_plan(240, 16, 1, 0, false))
    for (const Draw& draw : draws) plain.push_back(draw.sample);
  CHECK(order_of(shards, 12, 1, 0) == plain);
  CHECK(order_of(Indices(240, 0), 1, 1, 0) == plain);  // no shards: one file
  // Samples of a shard need not lie side by side, as in a part of a split.
  Indices dealt;
  for (std::int64_t i = 0; i < 240; ++i) dealt.push_back(i % 12);
  CHECK(most_open(dealt, order_of(dealt, 4, 1, 0)) == 4);
  test::error_of(core::Exit::internal, [&] { windowed_plan(shards, 0, 16, 1, 0, true); });
}

TEST_CASE("in a windowed plan two samples of one shard follow each other as often as chance has it") {
  const std::int64_t each = 50, count = 24, window = 6;
  const Indices shards = shards_of_sizes(Indices(static_cast<std::size_t>(count), each));
  double same = 0, pairs = 0, neighbours = 0;
  std::map<std::int64_t, int> first;
  for (std::int64_t epoch = 0; epoch < 200; ++epoch) {
    const Indices order = order_of(shards, window, 9, epoch);
    for (std::size_t i = 1; i < order.size(); ++i) {
      if (i % static_cast<std::size_t>(window * each) == 0) continue;  // between two windows
      ++pairs;
      same += shards[static_cast<std::size_t>(order[i])] == shards[static_cast<std::size_t>(order[i - 1])] ? 1 : 0;
      neighbours += std::abs(order[i] - order[i - 1]) == 1 ? 1 : 0;
    }
    ++first[shards[static_cast<std::size_t>(order[0])]];
  }
  const double members = static_cast<double>(window * each), chance = static_cast<double>(each - 1) / (members - 1);
  const double near = 2.0 * static_cast<double>(each - 1) / static_cast<double>(each) / (members - 1);
  CHECK(std::abs(same / pairs - chance) < 5 * std::sqrt(chance / pairs));
  CHECK(std::abs(neighbours / pairs - near) < 5 * std::sqrt(near / pairs));
  // Every shard comes first as often, and every pair of shards shares a window as often.
  CHECK(first.size() == static_cast<std::size_t>(count));
  std::map<std::pair<std::int64_t, std::int64_t>, int> together;
  const std::int64_t epochs = 2000;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const Indices order = order_of(shards_of_sizes(Indices(6, 1)), 2, 4, epoch);
    for (std::size_t i = 0; i < 6; i += 2) ++together[std::minmax(order[i], order[i + 1])];
  }
  REQUIRE(together.size() == 15);
  for (const auto& [pair, times] : together) CHECK(std::abs(times - epochs / 5) < 90);  // 5 standard deviations
}

}  // namespace selfsight::data
