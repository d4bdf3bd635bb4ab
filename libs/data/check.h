// Looks at every image of a split, and at every frame of its videos: what cannot be decoded, and what the rest is like.
#pragma once

#include "data/loader.h"

#include <functional>

namespace selfsight::data {

struct CheckOptions {
  std::string on_bad = "fail";  ///< or "skip"
  std::int64_t workers = 0;     ///< 0: one per processor
  void describe(core::Options& options);
};

struct CheckReport {
  std::int64_t good = 0;
  std::vector<BadItem> bad;             ///< in order of sample
  std::vector<std::int64_t> per_class;  ///< good samples of each class; empty without labels
  bool videos = false;
  std::int64_t frames_min = 0, frames_max = 0;  ///< of the good videos
  double seconds = 0;                           ///< of them together
  std::int64_t height_min = 0, height_max = 0, width_min = 0, width_max = 0, channels = 0;
  std::vector<double> mean, stddev;  ///< per channel on 0..1, over the pixels of all good images
  std::string content;               ///< digest over every sample's name and bytes

  /// {"good", "bad": [{"sample", "name", "reason"}], "per-class", "height": [min, max], "width": ..., "mean", "std", "content"}; of videos
  /// also "frames": [min, max] and "seconds"
  [[nodiscard]] manifest::Json json() const;
};

/// Reads and decodes everything on `threads` threads; the report does not depend on their number. `advance` is told of samples
/// done, from any thread. Errors of opening the split.
CheckReport check_split(const manifest::Split& split, int threads, const std::function<void(std::int64_t)>& advance);

/// The samples of `source` that cannot be read or decoded, in order; `threads` and `advance` as above.
std::vector<BadItem> find_bad(const Source& source, int threads, const std::function<void(std::int64_t)>& advance);

/// Checks every split (see check_split), with a progress bar and a warning for each bad image, and writes what was found into its
/// manifest ("checked"; the common image size). Returns the number of bad images. `workers` 0: one per processor.
std::size_t check_dataset(manifest::Dataset& dataset, std::int64_t workers);

}  // namespace selfsight::data
