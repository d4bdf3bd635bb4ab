#include "metrics/highlight.h"

#include "core/error.h"
#include "metrics/ranking.h"

#include <algorithm>
#include <numeric>

namespace selfsight::metrics {

std::vector<std::int64_t> by_score(std::span<const double> scores) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)]; });
  return order;
}

double lower_median(std::span<const double> values) {
  if (values.empty()) core::fail(core::Exit::internal, "median of no values");
  std::vector<double> sorted(values.begin(), values.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

double highlight_ap(std::span<const std::int64_t> order, std::span<const std::uint8_t> positive, ApRule rule, std::int64_t depth) {
  if (depth > 0) order = order.first(std::min(order.size(), static_cast<std::size_t>(depth)));
  Ranked ranked;
  ranked.size = static_cast<std::int64_t>(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    if (positive[static_cast<std::size_t>(order[i])] != 0) ranked.ranks.push_back(static_cast<std::int64_t>(i) + 1);
  return rule == ApRule::trapezoid ? trapezoid_average_precision(ranked) : average_precision(ranked);
}

double interpolated_ap(std::span<const double> scores, std::span<const std::uint8_t> positive) {
  const auto order = by_score(scores);
  std::vector<double> precisions;  // where recall rises
  std::int64_t right = 0, counted = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    right += positive[static_cast<std::size_t>(order[i])] != 0 ? 1 : 0;
    const auto score_at = [&](std::size_t place) { return scores[static_cast<std::size_t>(order[place])]; };
    if ((i + 1 < order.size() && score_at(i + 1) == score_at(i)) || right == counted) continue;
    counted = right;
    precisions.push_back(static_cast<double>(right) / static_cast<double>(i + 1));
  }
  double highest = 0, sum = 0;
  for (auto precision = precisions.rbegin(); precision != precisions.rend(); ++precision) {
    highest = std::max(highest, *precision);
    sum += highest;
  }
  return precisions.empty() ? 0 : sum / static_cast<double>(precisions.size());
}

std::vector<std::vector<std::uint8_t>> above_median(const std::vector<std::vector<double>>& importance) {
  std::vector<std::vector<std::uint8_t>> out(importance.empty() ? 0 : importance.front().size());
  for (std::size_t a = 0; a < out.size(); ++a) {
    std::vector<double> column;
    column.reserve(importance.size());
    for (const auto& clip : importance) column.push_back(clip[a]);
    const double median = lower_median(column);
    for (const double value : column) out[a].push_back(value > median ? 1 : 0);
  }
  return out;
}

}  // namespace selfsight::metrics
