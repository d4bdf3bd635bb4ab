// lvis-detect score: average precision and recall of detections, by the protocols of LVIS and COCO.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::score {

struct DetectOptions {
  std::string ground_truth, protocol = "auto", type = "box";
  std::vector<double> sigmas;  ///< of keypoints; empty: COCO's 17
  bool corrected = false;

  void describe(core::Options& options);
};

/// `input`: a file of results, a predictions manifest that names one, or "-" for a manifest on stdin. The figures are those of the official
/// programs (pycocotools 2.0.11, lvis 0.5.3) and do not depend on `threads`. Errors: usage, no_input, bad_data (file and JSON pointer).
manifest::Metrics score_detections(const DetectOptions& options, const std::string& input, int threads);

}  // namespace selfsight::score
