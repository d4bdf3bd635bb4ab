// Plan manifests (ssl-plan): the batches of a split, or the mates of its samples, as files.
#pragma once

#include "data/plan.h"
#include "manifest/manifest.h"

#include <string>

namespace selfsight::data {

/// Batches as a plan manifest has them.
struct SavedBatches {
  std::vector<std::int64_t> order, groups;
  std::int64_t batch = 0;
  bool redraw = false;
  std::string digest;  ///< of the payload

  /// The order of the file every epoch, or the groups' own order drawn anew.
  [[nodiscard]] EpochPlan epoch(std::uint64_t seed, std::int64_t epoch) const;
};

/// Reads a plan of batches for a run over `samples` samples of `split` in batches of `batch`. Errors: no_input; bad_data for a plan of
/// mates, of another data set (its content differs) or one that does not hold every sample just once; usage for another batch.
SavedBatches read_batches(const std::string& path, const manifest::Split& split, std::int64_t samples, std::int64_t batch);

/// Reads a plan of mates. Errors: as read_batches; bad_data for a mate that is no sample, or is the sample itself.
MatesTable read_mates(const std::string& path, const manifest::Split& split, std::int64_t samples);

}  // namespace selfsight::data
