// From ground truth and results to the curves of each category: who is compared with whom under which protocol.
#pragma once

#include "score/detect_files.h"

#include <cstdint>
#include <vector>

namespace selfsight::score {

/// What is compared, and by which rules.
struct Evaluation {
  Scored scored = Scored::box;
  /// What a detection's area is taken from. The official programs look at the first result: at its bbox, else its segmentation, else its
  /// keypoints, whatever is scored.
  Scored area = Scored::box;
  /// Without what is plainly a fault in the official programs: areas of what is scored, ground truth with id 0 can be matched, a perfect
  /// precision is 1.
  bool corrected = false;
  std::vector<metrics::AreaRange> ranges;
  /// Detections per image and category (COCO), rising; per image over all categories (LVIS), one.
  std::vector<std::uint32_t> limits;
  std::vector<double> sigmas;
};
/// The official rules of a protocol for these results. Error: bad_data (the first result has no shape).
Evaluation official_evaluation(const GroundTruth& truth, const Results& results, Scored scored, const std::vector<double>& sigmas);
/// True when the corrected figures are others for more than the 2^-52 in the denominator.
bool corrections_matter(const Evaluation& official, const GroundTruth& truth);

struct CategoryScore {
  std::vector<std::int64_t> truths;          ///< by range: objects that are not ignored
  std::vector<metrics::Curve> curves;        ///< by range, under the highest limit; empty lists where there are no truths
  std::vector<std::vector<double>> recalls;  ///< by range: limits x IoU thresholds
  std::int64_t detections = 0;               ///< that took part
};
struct Evaluated {
  std::vector<CategoryScore> categories;
  std::int64_t other_size = 0;  ///< detections whose mask has another size than their image, and so matches nothing
};
/// The same for any number of threads, bit for bit. Errors: bad_data with file and JSON pointer.
Evaluated evaluate(const GroundTruth& truth, const Results& results, const Evaluation& rules, int threads);

}  // namespace selfsight::score
