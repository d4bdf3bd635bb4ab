#include "metrics/segmentation.h"

#include "core/error.h"

namespace selfsight::metrics {

ClassCounts& ClassCounts::operator+=(const ClassCounts& other) {
  if (other.truth.size() != truth.size())
    core::fail(core::Exit::internal, "counts of {} and {} classes are added", truth.size(), other.truth.size());
  for (std::size_t c = 0; c < truth.size(); ++c) truth[c] += other.truth[c], predicted[c] += other.predicted[c], right[c] += other.right[c];
  return *this;
}

std::optional<SegmentationScores> segmentation_scores(const ClassCounts& counts) {
  const auto share = [](std::int64_t part, std::int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  SegmentationScores out;
  std::int64_t right = 0, pixels = 0;
  double iou = 0, accuracy = 0, weighted = 0;
  int seen = 0, labelled = 0;
  for (std::size_t c = 0; c < counts.truth.size(); ++c) {
    const std::int64_t truth = counts.truth[c], either = truth + counts.predicted[c] - counts.right[c];
    right += counts.right[c], pixels += truth;
    out.iou.push_back(either > 0 ? std::optional(share(counts.right[c], either)) : std::nullopt);
    out.accuracy.push_back(truth > 0 ? std::optional(share(counts.right[c], truth)) : std::nullopt);
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
