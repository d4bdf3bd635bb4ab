// Figures of semantic segmentation from a table of pixels (Long, Shelhamer and Darrell, "Fully convolutional networks for semantic
// segmentation", CVPR 2015, section 5).
#pragma once

#include "metrics/label_runs.h"

#include <optional>
#include <vector>

namespace selfsight::metrics {

/// All values are shares, 0 to 1.
struct SegmentationScores {
  double pixel_accuracy = 0;
  double mean_accuracy = 0;                     ///< over the classes that the truth holds
  double mean_iou = 0;                          ///< over the classes that the truth or the prediction holds
  double frequency_weighted_iou = 0;            ///< weights: share of each class in the truth
  std::vector<std::optional<double>> iou;       ///< per class; nothing where neither truth nor prediction holds it
  std::vector<std::optional<double>> accuracy;  ///< per class; nothing where the truth does not hold it
  std::vector<std::int64_t> truth_pixels;       ///< per class
};
/// `table`: rows are the classes of the truth, without its void pixels. Columns are the same classes and possibly more behind them, which
/// stand for predictions of no class: wrong wherever they are. Nothing when no pixel is labelled. Error: internal for fewer columns than
/// rows.
std::optional<SegmentationScores> segmentation_scores(const Contingency& table);

}  // namespace selfsight::metrics
