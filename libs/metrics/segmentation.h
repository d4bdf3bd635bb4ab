// Figures of semantic segmentation (Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation", CVPR 2015,
// section 5).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace selfsight::metrics {

/// All of a confusion matrix that the figures need: its row sums, column sums and diagonal.
struct ClassCounts {
  std::vector<std::int64_t> truth, predicted, right;  ///< pixels, one entry a class

  explicit ClassCounts(std::int64_t classes)
      : truth(static_cast<std::size_t>(classes)), predicted(static_cast<std::size_t>(classes)), right(static_cast<std::size_t>(classes)) {}
  /// `pixels` of class `label`, predicted as `prediction`; a prediction that is no class (below 0) is wrong wherever it is.
  void add(std::int64_t label, std::int64_t prediction, std::int64_t pixels) {
    truth[static_cast<std::size_t>(label)] += pixels;
    if (prediction >= 0) predicted[static_cast<std::size_t>(prediction)] += pixels;
    if (prediction == label) right[static_cast<std::size_t>(label)] += pixels;
  }
  /// Both must have the same number of classes.
  ClassCounts& operator+=(const ClassCounts& other);
};

/// All values are shares, 0 to 1.
struct SegmentationScores {
  double pixel_accuracy = 0;
  double mean_accuracy = 0;                     ///< over the classes that the truth holds
  double mean_iou = 0;                          ///< over the classes that the truth or the prediction holds
  double frequency_weighted_iou = 0;            ///< weights: share of each class in the truth
  std::vector<std::optional<double>> iou;       ///< per class; nothing where neither truth nor prediction holds it
  std::vector<std::optional<double>> accuracy;  ///< per class; nothing where the truth does not hold it
};
/// Nothing when there is no pixel.
std::optional<SegmentationScores> segmentation_scores(const ClassCounts& counts);

}  // namespace selfsight::metrics
