// Which images make up the batches of an epoch, before a method has its say: a plan from a file, or shuffled.
#pragma once

#include "data/plan.h"
#include "data/plan_file.h"
#include "dist/ranks.h"
#include "train/training_set.h"

#include <optional>
#include <vector>

namespace selfsight::train {

struct TrainOptions;

class Batches {
 public:
  /// Errors: as data::read_batches for a plan that does not fit the set.
  Batches(const TrainOptions& options, const TrainingSet& set);
  /// From a file.
  [[nodiscard]] bool planned() const { return saved_.has_value(); }
  /// The same for the same seed and epoch.
  [[nodiscard]] data::EpochPlan of_epoch(std::uint64_t seed, std::int64_t epoch) const;

 private:
  std::int64_t samples_, batch_, window_;
  std::optional<data::SavedBatches> saved_;
  std::vector<std::int64_t> shards_;  ///< of each sample, where a window is shuffled at a time
};

/// A rank's own places of each batch.
data::EpochPlan own_part(data::EpochPlan plan, const dist::Ranks& ranks);

}  // namespace selfsight::train
