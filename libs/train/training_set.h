// What a run trains on, as the trainer sees it: one source and the facts that networks are built from.
#pragma once

#include "data/source.h"
#include "manifest/manifest.h"
#include "train/tensors.h"

#include <memory>

namespace selfsight::train {

class TrainingSet {
 public:
  /// Opens `split`; `images` > 0 keeps that many of it, drawn by `seed`. Errors: bad_data (no such split, empty), usage (more images than
  /// there are).
  TrainingSet(const manifest::Dataset& dataset, const std::string& split, std::int64_t images, std::uint64_t seed);

  [[nodiscard]] const std::shared_ptr<const data::Source>& source() const { return source_; }
  [[nodiscard]] std::int64_t samples() const { return source_->size(); }
  [[nodiscard]] std::int64_t channels() const { return source_->channels(); }
  /// Number of classes, 0 without labels.
  [[nodiscard]] std::int64_t classes() const { return classes_; }
  /// Side of the images when all are square and of one size, else 0.
  [[nodiscard]] std::int64_t image() const { return image_; }
  [[nodiscard]] const Normalisation& normalisation() const { return normalisation_; }
  /// As the data set describes it, whole.
  [[nodiscard]] const manifest::Split& split() const { return split_; }

 private:
  std::shared_ptr<const data::Source> source_;
  std::int64_t classes_ = 0, image_ = 0;
  Normalisation normalisation_;
  manifest::Split split_;
};

}  // namespace selfsight::train
