#include "metrics/clusters.h"

#include "metrics/assignment.h"
#include "metrics/statistics.h"

namespace selfsight::metrics {

std::optional<double> foreground_ari(const Contingency& table) {
  // Ordered pairs of pixels; doubles hold the sums of squares of up to 9e7 pixels without error, and of more with one of 1e-16.
  const auto square = [](std::int64_t n) { return static_cast<double>(n) * static_cast<double>(n); };
  double pixels = 0, together = 0, same_object = 0, same_cluster = 0;
  std::vector<std::int64_t> columns(static_cast<std::size_t>(table.columns));
  for (std::int64_t i = 1; i < table.rows; ++i) {
    for (std::int64_t j = 0; j < table.columns; ++j) {
      columns[static_cast<std::size_t>(j)] += table.at(i, j);
      together += square(table.at(i, j));
    }
    const std::int64_t row = table.row_sum(i);
    pixels += static_cast<double>(row);
    same_object += square(row);
  }
  if (pixels == 0) return std::nullopt;
  for (const std::int64_t column : columns) same_cluster += square(column);
  // Pairs together in both, in the truth alone, in the prediction alone, in neither.
  const double both = together - pixels, truth_only = same_object - together, prediction_only = same_cluster - together;
  const double neither = pixels * pixels - same_object - same_cluster + together;
  if (truth_only == 0 && prediction_only == 0) return 1;
  return 2 * (both * neither - truth_only * prediction_only) /
         ((both + truth_only) * (truth_only + neither) + (both + prediction_only) * (prediction_only + neither));
}

std::optional<double> MatchedIou::mean() const {
  if (iou.empty()) return std::nullopt;
  return metrics::mean(iou);
}

MatchedIou matched_iou(const Contingency& table) {
  MatchedIou out;
  for (std::int64_t i = 1; i < table.rows; ++i)
    if (table.row_sum(i) > 0) out.objects.push_back(i);
  out.iou.assign(out.objects.size(), 0);
  const std::int64_t clusters = std::max<std::int64_t>(table.columns - 1, 0);
  std::vector<double> costs;
  for (const std::int64_t object : out.objects) {
    for (std::int64_t j = 1; j <= clusters; ++j) {
      const std::int64_t both = table.at(object, j), either = table.row_sum(object) + table.column_sum(j) - both;
      costs.push_back(-static_cast<double>(both) / static_cast<double>(either));
    }
  }
  for (const Match& match : assign(costs, static_cast<std::int64_t>(out.objects.size()), clusters))
    out.iou[static_cast<std::size_t>(match.row)] = -costs[static_cast<std::size_t>(match.row * clusters + match.column)];
  return out;
}

}  // namespace selfsight::metrics
