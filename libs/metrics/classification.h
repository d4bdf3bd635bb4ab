// Accuracy and its breakdown by class. Labels and predictions are class indices.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// Share (0 to 1) of predictions that equal their label. Error: internal for no samples or sizes that differ.
double accuracy(std::span<const std::int64_t> predictions, std::span<const std::int64_t> labels);

/// Share (0 to 1) of samples whose label is among the k highest of its scores. `scores`: samples x classes, row-major. A class that ties
/// with the label counts as ahead of it when its index is lower, so that constant scores are no success for every label. Error: internal
/// when the sizes do not fit or a label is not below `classes`.
double top_k(std::span<const float> scores, std::int64_t classes, std::span<const std::int64_t> labels, std::int64_t k);

/// Counts of (label, prediction).
struct Confusion {
  std::int64_t classes = 0;
  std::vector<std::int64_t> counts;  ///< classes x classes, row: label, column: prediction

  [[nodiscard]] std::int64_t at(std::int64_t label, std::int64_t prediction) const {
    return counts[static_cast<std::size_t>(label * classes + prediction)];
  }
  /// Share of each label's samples that were predicted right; nothing for a label without samples.
  [[nodiscard]] std::vector<std::optional<double>> per_class() const;
};
/// Error: internal when sizes differ or an index is not below `classes`.
Confusion confusion(std::span<const std::int64_t> predictions, std::span<const std::int64_t> labels, std::int64_t classes);

}  // namespace selfsight::metrics
