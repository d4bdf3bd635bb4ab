// Video highlights: how well scores of a video's clips put those first that people marked. Equal scores stand in the order of the clips, as
// the usual programs (a stable sort, highest first) have it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace selfsight::metrics {

enum class ApRule {
  trapezoid,  ///< from precision 1 at recall 0: the usual programs of this field
  step,       ///< scikit-learn's
};

/// Clips, best first.
std::vector<std::int64_t> by_score(std::span<const double> scores);
/// The lower of the two middle values of an even number. Error: internal without values.
double lower_median(std::span<const double> values);

/// Average precision of one video over its best `depth` clips (0: all), recall being relative to the positives among these; 0 without any.
double highlight_ap(std::span<const std::int64_t> order, std::span<const std::uint8_t> positive, ApRule rule, std::int64_t depth = 0);

/// QVHighlights' average precision: the mean, over the recalls that are reached, of the highest precision at that recall or above. Equal
/// scores are taken at once. 0 without a positive, 1 with nothing else.
double interpolated_ap(std::span<const double> scores, std::span<const std::uint8_t> positive);

/// `importance`: clips x annotators. A clip is positive for an annotator who gave it more than the lower median of that annotator's scores
/// for the video (TVSum). annotators x clips.
std::vector<std::vector<std::uint8_t>> above_median(const std::vector<std::vector<double>>& importance);

}  // namespace selfsight::metrics
