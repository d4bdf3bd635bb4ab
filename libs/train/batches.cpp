#include "train/batches.h"

#include "core/log.h"
#include "train/trainer.h"

#include <algorithm>

namespace selfsight::train {

Batches::Batches(const TrainOptions& options, const TrainingSet& set)
    : samples_(set.samples()), batch_(options.batch), window_(options.shuffle_window) {
  if (!options.plan.empty()) saved_ = data::read_batches(options.plan, set.split(), samples_, batch_);
  if (window_ == 0) return;
  shards_ = data::shards_of(*set.source());
  if (std::all_of(shards_.begin(), shards_.end(), [&](std::int64_t shard) { return shard == shards_.front(); }))
    core::log_warning("--shuffle-window: the split '{}' is not in several shards, so all of it is shuffled together", options.split);
}

data::EpochPlan Batches::of_epoch(std::uint64_t seed, std::int64_t epoch) const {
  if (saved_) return saved_->epoch(seed, epoch);
  if (window_ > 0) return data::windowed_plan(shards_, window_, batch_, seed, epoch, /*drop_last=*/true);
  return data::shuffled_plan(samples_, batch_, seed, epoch, /*drop_last=*/true);
}

data::EpochPlan own_part(data::EpochPlan plan, const dist::Ranks& ranks) {
  if (ranks.alone()) return plan;
  for (auto& batch : plan) {
    const auto [begin, end] = ranks.own_part(static_cast<std::int64_t>(batch.size()));
    batch = data::BatchPlan(batch.begin() + begin, batch.begin() + end);
  }
  return plan;
}

}  // namespace selfsight::train
