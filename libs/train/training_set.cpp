#include "train/training_set.h"

#include "core/error.h"
#include "core/rng.h"

#include <algorithm>
#include <numeric>

namespace selfsight::train {

TrainingSet::TrainingSet(const manifest::Dataset& dataset, const std::string& name, std::int64_t images, std::uint64_t seed) {
  const manifest::Split& split = dataset.split(name);
  source_ = data::open_split(split);
  if (source_->size() == 0) core::fail(core::Exit::bad_data, "{}: the split '{}' has no images", dataset.origin, name);
  if (images > source_->size()) core::fail(core::Exit::usage, "--images {}: the split '{}' has only {}", images, name, source_->size());
  if (images > 0) {
    std::vector<std::int64_t> kept(static_cast<std::size_t>(source_->size()));
    std::iota(kept.begin(), kept.end(), 0);
    core::Rng rng(seed, core::Stream::split);
    rng.shuffle(kept);
    kept.resize(static_cast<std::size_t>(images));
    std::sort(kept.begin(), kept.end());
    source_ = data::part_of(source_, std::move(kept));
  }
  if (split.image.size() == 3 && split.image[0] == split.image[1]) image_ = split.image[0];
  classes_ = static_cast<std::int64_t>(split.labels.size());
  split_ = split;
  normalisation_ = usual_normalisation(source_->channels());
}

}  // namespace selfsight::train
