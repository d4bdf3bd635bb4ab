// Batch plans and parts of a split: exact, disjoint, and the same on every run.
#include "data/plan.h"

#include "core/rng.h"
#include "data/partition.h"
#include "unit/support.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <set>

namespace selfsight::data {
namespace {

using Indices = std::vector<std::int64_t>;

Indices samples_of(const EpochPlan& plan) {
  Indices out;
  for (const BatchPlan& batch : plan)
    for (const Draw& draw : batch) out.push_back(draw.sample);
  return out;
}

Indices sizes_of(const EpochPlan& plan) {
  Indices out;
  for (const BatchPlan& batch : plan) out.push_back(static_cast<std::int64_t>(batch.size()));
  return out;
}

Indices counted(std::int64_t count) {
  Indices out(static_cast<std::size_t>(count));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// Labels of `sizes[c]` samples of class c, dealt so that classes are mixed.
Indices labels_of_sizes(const Indices& sizes) {
  Indices left = sizes, labels;
  const auto some_left = [](std::int64_t n) { return n > 0; };
  while (std::any_of(left.begin(), left.end(), some_left)) {
    for (std::size_t c = 0; c < left.size(); ++c)
      if (left[c]-- > 0) labels.push_back(static_cast<std::int64_t>(c));
  }
  return labels;
}

std::map<std::int64_t, std::int64_t> per_class(const Indices& labels, const Indices& samples) {
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t i : samples) ++counts[labels.at(static_cast<std::size_t>(i))];
  return counts;
}

}  // namespace

TEST_CASE("a shuffled plan is a permutation in batches") {
  for (const std::int64_t count : {1, 7, 64, 1000}) {
    const EpochPlan plan = shuffled_plan(count, 16, 3, 5, false);
    Indices samples = samples_of(plan);
    if (count > 7) CHECK_FALSE(std::is_sorted(samples.begin(), samples.end()));
    std::sort(samples.begin(), samples.end());
    CHECK(samples == counted(count));
    for (std::size_t b = 0; b + 1 < plan.size(); ++b) CHECK(plan[b].size() == 16);
  }
  const EpochPlan plain = shuffled_plan(9, 9, 1, 1, false);
  for (const Draw& draw : plain[0]) {
    CHECK(draw.mate == -1);
    CHECK(draw.source == 0);
    CHECK(draw.repeat == 0);
  }
}

TEST_CASE("drop-last drops an incomplete batch and nothing else") {
  CHECK(sizes_of(shuffled_plan(10, 4, 1, 0, false)) == Indices{4, 4, 2});
  CHECK(sizes_of(shuffled_plan(10, 4, 1, 0, true)) == Indices{4, 4});
  CHECK(sizes_of(shuffled_plan(12, 4, 1, 0, true)) == Indices{4, 4, 4});
  CHECK(shuffled_plan(3, 4, 1, 0, true).empty());
  CHECK(shuffled_plan(0, 4, 1, 0, false).empty());
  const Indices whole = samples_of(shuffled_plan(10, 4, 1, 0, false)), cut = samples_of(shuffled_plan(10, 4, 1, 0, true));
  CHECK(cut == Indices(whole.begin(), whole.begin() + 8));
  test::error_of(core::Exit::internal, [] { shuffled_plan(10, 0, 1, 0, true); });
}

TEST_CASE("a sequential plan keeps order and the rest") {
  const EpochPlan plan = sequential_plan(10, 4);
  CHECK(samples_of(plan) == counted(10));
  CHECK(sizes_of(plan) == Indices{4, 4, 2});
}

TEST_CASE("plans are a function of seed and epoch, on every run") {
  const Indices one = samples_of(shuffled_plan(100, 10, 1, 0, false));
  CHECK(one == samples_of(shuffled_plan(100, 10, 1, 0, false)));
  CHECK(one == samples_of(shuffled_plan(100, 25, 1, 0, false)));  // the batch only cuts
  CHECK(one != samples_of(shuffled_plan(100, 10, 1, 1, false)));
  CHECK(one != samples_of(shuffled_plan(100, 10, 2, 0, false)));
  CHECK(samples_of(shuffled_plan(8, 8, 1, 0, false)) == Indices{7, 3, 6, 4, 2, 1, 5, 0});  // by another Philox, in Python
}

TEST_CASE("every order is equally likely") {
  std::map<Indices, int> seen;
  for (std::int64_t epoch = 0; epoch < 12000; ++epoch) ++seen[samples_of(shuffled_plan(4, 4, 11, epoch, false))];
  REQUIRE(seen.size() == 24);
  double chi = 0;
  for (const auto& [order, count] : seen) chi += (count - 500.0) * (count - 500.0) / 500.0;
  CHECK(chi < 49.7);  // 23 degrees of freedom, p = 0.001
}

TEST_CASE("mates come from a sample's own row, each as often") {
  const MatesTable table{3, {10, 11, 12, 20, 21, 22}};
  std::map<std::int64_t, int> seen;
  for (std::int64_t epoch = 0; epoch < 6000; ++epoch) {
    EpochPlan plan = sequential_plan(2, 2);
    draw_mates(plan, table, 5, epoch);
    CHECK(plan[0][0].mate / 10 == 1);
    CHECK(plan[0][1].mate / 10 == 2);
    for (const Draw& draw : plan[0]) ++seen[draw.mate];
  }
  REQUIRE(seen.size() == 6);
  for (const auto& [mate, count] : seen) CHECK(std::abs(count - 2000) < 160);  // 4.4 standard deviations
  EpochPlan one = shuffled_plan(2, 1, 1, 0, false), other = one, longer = sequential_plan(3, 3);
  draw_mates(one, table, 5, 9);
  draw_mates(other, table, 5, 9);
  for (std::size_t b = 0; b < 2; ++b) CHECK(one[b][0].mate == other[b][0].mate);
  test::error_of(core::Exit::internal, [&] { draw_mates(longer, table, 5, 0); });
  test::error_of(core::Exit::internal, [&] { draw_mates(one, {}, 5, 0); });
}

TEST_CASE("a number per class is exact, seeded, and grows by adding") {
  const Indices labels = labels_of_sizes({30, 5, 80});
  const std::vector<std::string> names = {"cat", "dog", "ship"};
  Indices before;
  for (const std::int64_t count : {1, 2, 5}) {
    const Indices chosen = per_class_sample(labels, count, 7, names);
    CHECK(per_class(labels, chosen) == std::map<std::int64_t, std::int64_t>{{0, count}, {1, count}, {2, count}});
    CHECK(std::is_sorted(chosen.begin(), chosen.end()));
    CHECK(std::set<std::int64_t>(chosen.begin(), chosen.end()).size() == chosen.size());
    CHECK(std::includes(chosen.begin(), chosen.end(), before.begin(), before.end()));
    CHECK(chosen == per_class_sample(labels, count, 7, names));
    before = chosen;
  }
  CHECK(before != per_class_sample(labels, 5, 8, names));
  CHECK(per_class_sample(labels, 1, 7, names) == Indices{7, 41, 84});  // likewise
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { per_class_sample(labels, 6, 7, names); }), "'dog' has 5"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { per_class_sample(labels, 6, 7, {}); }), "'1' has 5"));
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { per_class_sample({0, -1, 0}, 1, 7, names); }), "1 samples have none"));
}

TEST_CASE("few labels are not always the same ones") {
  const Indices labels = labels_of_sizes({4, 4});
  std::map<std::int64_t, int> seen;
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    for (const std::int64_t i : per_class_sample(labels, 1, seed, {})) ++seen[i];
  REQUIRE(seen.size() == 8);
  for (const auto& [sample, count] : seen) CHECK(std::abs(count - 500) < 90);
}

TEST_CASE("parts have their share of every class exactly where it is whole") {
  const Indices labels = labels_of_sizes({100, 20, 60});
  const auto parts = stratified_parts(labels, {0.75, 0.05, 0.2}, 3);
  REQUIRE(parts.size() == 3);
  CHECK(per_class(labels, parts[0]) == std::map<std::int64_t, std::int64_t>{{0, 75}, {1, 15}, {2, 45}});
  CHECK(per_class(labels, parts[1]) == std::map<std::int64_t, std::int64_t>{{0, 5}, {1, 1}, {2, 3}});
  CHECK(per_class(labels, parts[2]) == std::map<std::int64_t, std::int64_t>{{0, 20}, {1, 4}, {2, 12}});
  Indices all;
  for (const Indices& part : parts) {
    CHECK(std::is_sorted(part.begin(), part.end()));
    all.insert(all.end(), part.begin(), part.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(all == counted(180));
  CHECK(parts == stratified_parts(labels, {0.75, 0.05, 0.2}, 3));
  CHECK(parts != stratified_parts(labels, {0.75, 0.05, 0.2}, 4));
}

TEST_CASE("parts of odd classes: disjoint, within one of every class and in total") {
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    core::Rng rng(1, core::Stream::test, trial);
    Indices sizes;
    for (std::uint64_t c = 0; c < 1 + trial % 12; ++c) sizes.push_back(static_cast<std::int64_t>(1 + rng.below(40)));
    const Indices labels = labels_of_sizes(sizes);
    const double first = rng.uniform(0.05, 0.6), second = rng.uniform(0.05, 0.35);
    const std::vector<double> shares = {first, second, trial % 2 == 0 ? 1 - first - second : 0.05};
    const auto parts = stratified_parts(labels, shares, trial);
    std::set<std::int64_t> seen;
    std::size_t drawn = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      seen.insert(parts[p].begin(), parts[p].end());
      drawn += parts[p].size();
      const auto counts = per_class(labels, parts[p]);
      for (std::size_t c = 0; c < sizes.size(); ++c) {
        const auto found = counts.find(static_cast<std::int64_t>(c));
        const auto count = static_cast<double>(found == counts.end() ? 0 : found->second);
        CHECK(std::abs(count - shares[p] * static_cast<double>(sizes[c])) <= 1 + 1e-9);
      }
      CHECK(std::abs(static_cast<double>(parts[p].size()) - shares[p] * static_cast<double>(labels.size())) <= 1 + 1e-9);
    }
    CHECK(seen.size() == drawn);
    if (trial % 2 == 0) CHECK(drawn == labels.size());
  }
}

TEST_CASE("a stratified sample has the count asked for") {
  const Indices labels = labels_of_sizes({50, 30, 20});
  const Indices ten = stratified_sample(labels, 10, 1);
  CHECK(per_class(labels, ten) == std::map<std::int64_t, std::int64_t>{{0, 5}, {1, 3}, {2, 2}});
  for (const std::int64_t count : {0, 1, 7, 33, 99, 100})
    CHECK(stratified_sample(labels, count, 1).size() == static_cast<std::size_t>(count));
  CHECK(stratified_sample(Indices(9, -1), 4, 1).size() == 4);  // without labels all are one class
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { stratified_sample(labels, 101, 1); }), "there are 100"));
}

TEST_CASE("shares are read, and refused when they make no sense") {
  using Shares = std::vector<std::pair<std::string, double>>;
  CHECK(parse_shares("train=0.9,val=0.1") == Shares{{"train", 0.9}, {"val", 0.1}});
  CHECK(parse_shares("a=1") == Shares{{"a", 1.0}});
  for (const char* text : {"", "a", "a=", "=0.5", "a=0", "a=-0.1", "a=1.1", "a=nan", "a=0.5x", "a=0.6,b=0.6", "a=0.1,a=0.1", "../a=0.5",
                           "a/b=0.5", "..=0.5", "-a=0.5", "a=0.1,,b=0.1"})
    CHECK(test::contains(test::error_of(core::Exit::usage, [&] { parse_shares(text); }), "--into"));
}

TEST_CASE("guided order: with groups of one size s the first s batches hold every group once; a smaller group ends that") {
  const std::int64_t groups = 7, each = 5;
  core::Rng rng(1, core::Stream::test);
  Indices labels;
  for (std::int64_t g = 0; g < groups; ++g) labels.insert(labels.end(), static_cast<std::size_t>(each), g);
  rng.shuffle(labels);
  const auto clean_batches = [&](const Indices& order) {
    std::int64_t clean = 0;
    for (const auto& batch : plan_in_order(order, groups)) {
      std::set<std::int64_t> seen;
      for (const auto& draw : batch) seen.insert(labels[static_cast<std::size_t>(draw.sample)]);
      if (static_cast<std::int64_t>(seen.size()) != groups) return clean;
      ++clean;
    }
    return clean;
  };
  for (const auto& order : {guided_order(labels), guided_order(labels, 3, 0), guided_order(labels, 3, 1)}) {
    Indices sorted = order;
    std::sort(sorted.begin(), sorted.end());
    CHECK(sorted == counted(groups * each));
    CHECK(clean_batches(order) == each);
  }
  CHECK(guided_order(labels, 3, 0) == guided_order(labels, 3, 0));
  CHECK(guided_order(labels, 3, 0) != guided_order(labels, 3, 1));
  // One group with two members less: exactly as many clean batches as it has.
  std::erase_if(labels, [&, removed = 0](std::int64_t label) mutable { return label == 4 && removed++ < 2; });
  CHECK(clean_batches(guided_order(labels)) == each - 2);
}

TEST_CASE("guided order: one group, or as many as samples, leaves the order as it is; the rest beyond whole batches is dropped") {
  CHECK(guided_order(Indices(10, 3)) == counted(10));
  CHECK(guided_order(counted(10)) == counted(10));
  CHECK(sizes_of(plan_in_order(counted(10), 4)) == Indices{4, 4});
  CHECK(guided_order({0, 0, 1, 0, 1, 2}) == Indices{0, 2, 5, 1, 4, 3});
}

}  // namespace selfsight::data
