#include "train/training_set.h"

#include "core/error.h"
#include "core/rng.h"

#include <algorithm>
#include <numeric>

namespace selfsight::train {

namespace {

/// A part of another source, in the order given.
class Part : public data::Source {
 public:
  Part(std::shared_ptr<const data::Source> whole, std::vector<std::int64_t> kept) : whole_(std::move(whole)), kept_(std::move(kept)) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(kept_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t i) const override { return whole_->label(at(i)); }
  [[nodiscard]] std::string name(std::int64_t i) const override { return whole_->name(at(i)); }
  [[nodiscard]] data::Stored read(std::int64_t i) const override { return whole_->read(at(i)); }
  [[nodiscard]] std::int64_t channels() const override { return whole_->channels(); }

 private:
  [[nodiscard]] std::int64_t at(std::int64_t i) const { return kept_.at(static_cast<std::size_t>(i)); }
  std::shared_ptr<const data::Source> whole_;
  std::vector<std::int64_t> kept_;
};

}  // namespace

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
    source_ = std::make_shared<Part>(source_, std::move(kept));
  }
  if (split.image.size() == 3 && split.image[0] == split.image[1]) image_ = split.image[0];
  classes_ = static_cast<std::int64_t>(split.labels.size());
  normalisation_ = usual_normalisation(source_->channels());
}

}  // namespace selfsight::train
