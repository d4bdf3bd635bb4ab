// Average precision and recall of detections: which detection matches which ground truth, and the curves that follow. One set of rules
// serves COCO (Lin et al. 2014; pycocotools' COCOeval) and LVIS (Gupta et al. 2019; lvis' LVISEval), whose programs agree from here on:
// what differs (who is compared with whom, what is left out before) is up to the caller. Sums are taken in NumPy's order, so that figures
// are equal to the last bit.
#pragma once

#include "metrics/rle.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace selfsight::metrics {

/// IoU thresholds 0.50, 0.55 ... 0.95 and recall levels 0.00, 0.01 ... 1.00.
inline constexpr int iou_thresholds = 10, recall_levels = 101;
double iou_threshold(int index);
double recall_level(int index);

/// Objects of an area (in square pixels) within these bounds, both included; others are ignored.
struct AreaRange {
  std::string name;
  double low = 0, high = 0;
  [[nodiscard]] bool holds(double area) const { return area >= low && area <= high; }
};
/// "all", "small" (to 32^2), "medium" (to 96^2), "large".
std::vector<AreaRange> area_ranges();
/// Keypoints have no small range.
std::vector<AreaRange> keypoint_area_ranges();

struct Keypoint {
  double x = 0, y = 0, seen = 0;  ///< seen: 0 not labelled, 1 hidden, 2 visible
};
/// The standard deviations of COCO's 17 body points, in units of the object's scale.
std::vector<double> coco_sigmas();
/// Object keypoint similarity: the mean over labelled points of exp(-d^2 / (2 area (2 sigma)^2)). Where none is labelled: over all points,
/// d being the distance to the ground truth's box enlarged to three times its size. All three lists have one length (error: internal).
double keypoint_similarity(std::span<const Keypoint> detection, std::span<const Keypoint> truth, const Box& truth_box, double truth_area,
                           std::span<const double> sigmas);

/// An object of the ground truth, as matching sees it.
struct Truth {
  double area = 0;
  bool crowd = false;    ///< any number of detections may match it
  bool ignored = false;  ///< what matches it counts neither as right nor as wrong
  bool counts = true;    ///< false: uses up its match, but the detection stays wrong (what the official programs do to id 0)
};
/// What one detection came to within one area range: bit t for IoU threshold t. Neither: ignored.
struct Verdict {
  std::uint16_t right = 0, wrong = 0;
};

/// Detections of one image and category against its ground truth.
struct Matching {
  std::span<const Truth> truths;
  std::span<const double> overlaps;         ///< detections x truths, row-major; detections by falling score
  std::span<const double> detection_areas;  ///< outside of the range, an unmatched detection is ignored
  bool exhaustive = true;                   ///< false: every unmatched detection is ignored (LVIS)
};
/// The greedy matching of both programs: in the order of scores, each detection takes the free ground truth of highest overlap (at least
/// the threshold; the later one among equals), an ignored one only when there is no other. `verdicts`: detections x ranges.
void match(const Matching& matching, std::span<const AreaRange> ranges, std::span<Verdict> verdicts);

/// Precision and recall of one category in one area range.
struct Curve {
  std::vector<double> precision;  ///< iou_thresholds x recall_levels: the highest at that recall or above; 0 where it is not reached
  std::vector<double> recall;     ///< iou_thresholds: what all detections reach
};
/// `verdicts`: of all detections, by falling score. `truths`: objects that are not ignored, at least 1 (error: internal). `exact`: without
/// the 2^-52 that the official programs add to the denominator, through which a perfect precision is 0.9999999999999998.
Curve curve_of(std::span<const Verdict> verdicts, std::int64_t truths, bool exact = false);

/// The mean with NumPy's pairwise order of summation. NaN for no values.
double numpy_mean(std::span<const double> values);

}  // namespace selfsight::metrics
