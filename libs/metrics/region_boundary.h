// Region similarity J and boundary accuracy F of video object segmentation, by frame and by sequence, as the official davis2017-evaluation
// counts them.
#pragma once

#include "metrics/boundary.h"
#include "metrics/label_runs.h"

#include <cstdint>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// One frame: objects 1..objects of the truth against proposals 1..proposals of the prediction; all other labels are background. Pixels
/// that shall not count must be 0 in both images.
class FrameComparison {
 public:
  FrameComparison(const LabelView& truth, const LabelView& prediction, std::int64_t objects, std::int64_t proposals);
  /// Intersection over union; 1 when both are empty. Numbers from 1; a proposal that the prediction does not hold is an empty one.
  [[nodiscard]] double j(std::int64_t object, std::int64_t proposal) const;
  [[nodiscard]] double f(std::int64_t object, std::int64_t proposal) const;
  /// Pixels by (label of the truth, label of the prediction).
  [[nodiscard]] const Contingency& table() const { return table_; }

 private:
  Contingency table_;
  std::vector<std::int64_t> object_pixels_, proposal_pixels_;
  std::vector<Boundary> object_lines_, proposal_lines_;
};

/// What is said of an object's values over the frames of its sequence.
struct SequenceStatistics {
  double mean = 0;
  double recall = 0;  ///< share of the frames above 0.5
  /// Mean of the first quarter minus that of the last; neighbouring quarters share a frame.
  double decay = 0;
  /// The same as the official program has it: its bounds of the quarters are kept in 8 bits, so that for more than 256 frames they wrap
  /// around, and the figure is of other frames, or not a number. As under NumPy 1, which the program was written for; under NumPy 2 a bound
  /// of exactly 255 overflows as well, so that 256 frames have no figure there.
  double official_decay = 0;
};
/// Error: internal for no values.
SequenceStatistics sequence_statistics(std::span<const double> values);

}  // namespace selfsight::metrics
