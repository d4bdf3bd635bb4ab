// Batch plans: which samples make up each batch of an epoch. A plan is a pure function of (seed, epoch, table).
#pragma once

#include <cstdint>
#include <vector>

namespace selfsight::data {

/// One place in a batch.
struct Draw {
  std::int64_t sample = 0;
  std::int64_t mate = -1;   ///< a second sample that views marked `of_mate` are made from; -1: the sample itself
  std::int32_t source = 0;  ///< which of the loader's sources
  std::int32_t repeat = 0;  ///< 0, 1, ... for a sampler that draws a sample again in one epoch: part of the key of its views
};

using BatchPlan = std::vector<Draw>;
using EpochPlan = std::vector<BatchPlan>;

/// Neighbours of each sample, `per_sample` in a row: what a mates hook hands to the sampler.
struct MatesTable {
  std::int64_t per_sample = 0;
  std::vector<std::int64_t> mates;  ///< samples x per_sample
};

/// All of [0, count) in a random order, in batches; a last incomplete batch is dropped when `drop_last`.
EpochPlan shuffled_plan(std::int64_t count, std::int64_t batch, std::uint64_t seed, std::int64_t epoch, bool drop_last);
/// The same, going through files one after another, for sets that do not fit into memory: shards are put in a random order and taken
/// `window` at a time (in groups as equal as can be, none larger), and the samples of such a group are shuffled together. So no more than
/// `window` shards are read at any time, and two samples drawn one after the other share a shard about once in `window` times. `shards` has
/// the shard of every sample (shards_of). A window that takes in all of them gives shuffled_plan().
EpochPlan windowed_plan(const std::vector<std::int64_t>& shards, std::int64_t window, std::int64_t batch, std::uint64_t seed,
                        std::int64_t epoch, bool drop_last);
/// All in order, the last batch as long as it is.
EpochPlan sequential_plan(std::int64_t count, std::int64_t batch);
/// The samples in the order given, in whole batches; the rest at the end is dropped.
EpochPlan plan_in_order(const std::vector<std::int64_t>& order, std::int64_t batch);
/// The order of G-SimCLR (arXiv 2009.12007, section 3.3): within its group (a number from 0) each sample has a rank by its index, and all
/// are sorted by rank. As long as every group has a member left, consecutive samples are of different groups. The second
/// form draws the ranks within each group, and the order of samples of one rank, by (seed, epoch).
std::vector<std::int64_t> guided_order(const std::vector<std::int64_t>& groups);
std::vector<std::int64_t> guided_order(const std::vector<std::int64_t>& groups, std::uint64_t seed, std::int64_t epoch);
/// Fills in a mate for every draw, one of its row at random.
void draw_mates(EpochPlan& plan, const MatesTable& table, std::uint64_t seed, std::int64_t epoch);

}  // namespace selfsight::data
