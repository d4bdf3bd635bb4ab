#include "metrics/segmentation.h"

#include "core/error.h"

namespace selfsight::metrics {

std::optional<SegmentationScores> segmentation_scores(const Contingency& table) {
  if (table.columns < table.rows) core::fail(core::Exit::internal, "a table of {} classes with {} columns", table.rows, table.columns);
  const auto share = [](std::int64_t part, std::int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  SegmentationScores out;
  std::int64_t right = 0, pixels = 0;
  double iou = 0, accuracy = 0, weighted = 0;
  int seen = 0, labelled = 0;
  for (std::int64_t c = 0; c < table.rows; ++c) {
    const std::int64_t hit = table.at(c, c), truth = table.row_sum(c), either = truth + table.column_sum(c) - hit;
    right += hit, pixels += truth;
    out.truth_pixels.push_back(truth);
    out.iou.push_back(either > 0 ? std::optional(share(hit, either)) : std::nullopt);
    out.accuracy.push_back(truth > 0 ? std::optional(share(hit, truth)) : std::nullopt);
    if (either > 0) iou += *out.iou.back(), ++seen;
    if (truth > 0) accuracy += *out.accuracy.back(), weighted += static_cast<double>(truth) * *out.iou.back(), ++labelled;
  }
  if (pixels == 0) return std::nullopt;
  out.pixel_accuracy = share(right, pixels);
  out.mean_accuracy = accuracy / labelled;
  out.mean_iou = iou / seen;
  out.frequency_weighted_iou = weighted / static_cast<double>(pixels);
  return out;
}

}  // namespace selfsight::metrics
