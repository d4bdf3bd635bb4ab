#include "data/plan.h"

#include "core/error.h"
#include "core/rng.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace selfsight::data {
namespace {

EpochPlan in_batches(const std::vector<std::int64_t>& samples, std::int64_t batch, bool drop_last) {
  if (batch < 1) core::fail(core::Exit::internal, "a batch of {} samples", batch);
  EpochPlan plan;
  const auto count = static_cast<std::int64_t>(samples.size());
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t end = std::min(begin + batch, count);
    if (drop_last && end - begin < batch) break;
    BatchPlan& draws = plan.emplace_back();
    draws.reserve(static_cast<std::size_t>(end - begin));
    for (std::int64_t i = begin; i < end; ++i) draws.push_back({.sample = samples[static_cast<std::size_t>(i)]});
  }
  return plan;
}

std::vector<std::int64_t> all_samples(std::int64_t count) {
  std::vector<std::int64_t> samples(static_cast<std::size_t>(count));
  std::iota(samples.begin(), samples.end(), 0);
  return samples;
}

/// Sorted by rank, which is counted within each group in the order of `samples`.
std::vector<std::int64_t> by_rank(const std::vector<std::int64_t>& samples, const std::vector<std::int64_t>& groups) {
  std::map<std::int64_t, std::int64_t> members;
  std::vector<std::pair<std::int64_t, std::int64_t>> ranked;
  ranked.reserve(samples.size());
  for (const auto sample : samples) ranked.emplace_back(members[groups[static_cast<std::size_t>(sample)]]++, sample);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::int64_t> order;
  order.reserve(samples.size());
  for (const auto& [rank, sample] : ranked) order.push_back(sample);
  return order;
}

}  // namespace

EpochPlan shuffled_plan(std::int64_t count, std::int64_t batch, std::uint64_t seed, std::int64_t epoch, bool drop_last) {
  std::vector<std::int64_t> samples = all_samples(count);
  core::Rng rng(seed, core::Stream::shuffle, static_cast<std::uint64_t>(epoch));
  rng.shuffle(samples);
  return in_batches(samples, batch, drop_last);
}

EpochPlan windowed_plan(const std::vector<std::int64_t>& shards, std::int64_t window, std::int64_t batch, std::uint64_t seed,
                        std::int64_t epoch, bool drop_last) {
  if (window < 1) core::fail(core::Exit::internal, "a window of {} shards", window);
  std::map<std::int64_t, std::vector<std::int64_t>> members;
  for (std::size_t i = 0; i < shards.size(); ++i) members[shards[i]].push_back(static_cast<std::int64_t>(i));
  const auto count = static_cast<std::int64_t>(members.size());
  if (count <= window) return shuffled_plan(static_cast<std::int64_t>(shards.size()), batch, seed, epoch, drop_last);
  core::Rng rng(seed, core::Stream::shuffle, static_cast<std::uint64_t>(epoch));
  std::vector<std::int64_t> order;
  order.reserve(members.size());
  for (const auto& [shard, samples] : members) order.push_back(shard);
  rng.shuffle(order);

  std::vector<std::int64_t> samples;
  samples.reserve(shards.size());
  const std::int64_t groups = (count + window - 1) / window;
  for (std::int64_t g = 0; g < groups; ++g) {
    std::vector<std::int64_t> group;
    for (std::int64_t i = g * count / groups; i < (g + 1) * count / groups; ++i) {
      const std::vector<std::int64_t>& of_shard = members[order[static_cast<std::size_t>(i)]];
      group.insert(group.end(), of_shard.begin(), of_shard.end());
    }
    rng.shuffle(group);
    samples.insert(samples.end(), group.begin(), group.end());
  }
  return in_batches(samples, batch, drop_last);
}

EpochPlan sequential_plan(std::int64_t count, std::int64_t batch) { return in_batches(all_samples(count), batch, false); }

EpochPlan plan_in_order(const std::vector<std::int64_t>& order, std::int64_t batch) { return in_batches(order, batch, true); }

std::vector<std::int64_t> guided_order(const std::vector<std::int64_t>& groups) {
  return by_rank(all_samples(static_cast<std::int64_t>(groups.size())), groups);
}

std::vector<std::int64_t> guided_order(const std::vector<std::int64_t>& groups, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> samples = all_samples(static_cast<std::int64_t>(groups.size()));
  core::Rng rng(seed, core::Stream::shuffle, static_cast<std::uint64_t>(epoch));
  rng.shuffle(samples);
  return by_rank(samples, groups);
}

void draw_mates(EpochPlan& plan, const MatesTable& table, std::uint64_t seed, std::int64_t epoch) {
  if (table.per_sample < 1) core::fail(core::Exit::internal, "a table of mates without mates");
  const auto rows = static_cast<std::int64_t>(table.mates.size()) / table.per_sample;
  for (BatchPlan& batch : plan) {
    for (Draw& draw : batch) {
      if (draw.sample < 0 || draw.sample >= rows)
        core::fail(core::Exit::internal, "sample {} has no row in a table of mates of {}", draw.sample, rows);
      core::Rng rng(seed, core::Stream::mate, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(draw.sample),
                    static_cast<std::uint64_t>(draw.repeat));
      const auto choice = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(table.per_sample)));
      draw.mate = table.mates[static_cast<std::size_t>(draw.sample * table.per_sample + choice)];
    }
  }
}

}  // namespace selfsight::data
