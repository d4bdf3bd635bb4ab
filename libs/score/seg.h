// `seg-parse score`: label images of semantic segmentation against the truth. All pixels of all images go into one table; the figures are
// taken from it once (as PASCAL VOC, Cityscapes and ADE20K do), not averaged over images.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::score {

/// Task named in predictions manifests that this verb reads; their payload is a folder of PNG files.
inline constexpr const char* seg_task = "semantic segmentation";

struct SegOptions {
  std::string truth, truth_suffix, prediction_suffix, images;
  std::int64_t classes = 0, overlays = 3;
  std::vector<std::int64_t> void_labels{255};
  std::vector<std::string> labels;

  void describe(core::Options& options);
};

/// `predictions`: a folder of PNG files, or a manifest of one. Each label image of the truth is paired with the prediction of the same path
/// below its folder, without the suffixes. Pixels that the truth calls void are left out; a void label predicted elsewhere is an error of
/// the prediction. Errors: usage; no_input; bad_data (missing prediction, sizes that differ, a label that is neither class nor void: file
/// and pixel).
manifest::Metrics score_seg(const SegOptions& options, const std::string& predictions, int threads);

}  // namespace selfsight::score
