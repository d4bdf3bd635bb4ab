// Agreement of clusters of pixels with objects when nothing says which cluster is which object.
#pragma once

#include "metrics/label_runs.h"

#include <optional>
#include <vector>

namespace selfsight::metrics {

/// Adjusted Rand index (Hubert and Arabie 1985) over the pixels of objects (rows 1 and up; the truth's background, row 0, is left out; all
/// columns are clusters). 1 when the partitions are equal, nothing when there is no pixel of an object.
std::optional<double> foreground_ari(const Contingency& table);

/// IoU of every object that has pixels, with the cluster that the best one-to-one assignment gives it (Hungarian, on IoU); 0 for an object
/// that is left without. Column 0, the prediction's background, is no cluster.
struct MatchedIou {
  std::vector<std::int64_t> objects;  ///< their labels
  std::vector<double> iou;            ///< one for each
  [[nodiscard]] std::optional<double> mean() const;
};
MatchedIou matched_iou(const Contingency& table);

}  // namespace selfsight::metrics
