#include "metrics/ranking.h"

#include "core/rng.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::metrics {

namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

float below(double value) {
  const auto near = static_cast<float>(value);
  return static_cast<double>(near) <= value ? near : std::nextafterf(near, -infinite);
}

/// The values that float32 cannot tell from a threshold lie above `low` and up to `high`.
struct Window {
  float low, high;
  Window(double threshold, double margin)
      : low(std::nextafterf(below(threshold - margin), -infinite)),
        high(std::min(std::nextafterf(below(threshold + margin), infinite), std::numeric_limits<float>::max())) {}
};

/// Exact values of a row, each asked for once.
class Known {
 public:
  explicit Known(const DistanceRow& row) : row_(row) {}
  double operator()(std::int64_t g) {
    if (values_.empty()) values_.assign(row_.approximate.size(), std::numeric_limits<double>::quiet_NaN());
    double& value = values_[static_cast<std::size_t>(g)];
    if (std::isnan(value)) value = row_.exact(g);
    return value;
  }

 private:
  const DistanceRow& row_;
  std::vector<double> values_;
};

/// Few thresholds: count, which vector units do fast, and look closely only at stretches that have something in the window.
std::vector<std::int64_t> counts_by_passes(const DistanceRow& row, std::span<const double> thresholds) {
  constexpr std::size_t stretch = 256;
  std::vector<Window> windows;
  for (const double threshold : thresholds) windows.emplace_back(threshold, row.margin);
  std::vector<std::int64_t> out(thresholds.size());
  Known exact(row);
  const std::span<const float> values = row.approximate;
  for (std::size_t begin = 0; begin < values.size(); begin += stretch) {
    const std::size_t end = std::min(values.size(), begin + stretch);
    for (std::size_t t = 0; t < windows.size(); ++t) {
      const float low = windows[t].low, high = windows[t].high;
      std::int32_t sure = 0, possible = 0;
      for (std::size_t g = begin; g < end; ++g) {
        sure += values[g] <= low ? 1 : 0;
        possible += values[g] <= high ? 1 : 0;
      }
      out[t] += sure;
      for (std::size_t g = begin; g < end && possible > sure; ++g)
        if (values[g] > low && values[g] <= high) {
          --possible;
          out[t] += exact(static_cast<std::int64_t>(g)) <= thresholds[t] ? 1 : 0;
        }
    }
  }
  return out;
}

/// Many thresholds: one sort.
std::vector<std::int64_t> counts_by_sorting(const DistanceRow& row, std::span<const double> thresholds) {
  std::vector<std::pair<float, std::int64_t>> sorted;
  for (std::size_t g = 0; g < row.approximate.size(); ++g)
    if (row.approximate[g] < infinite) sorted.emplace_back(row.approximate[g], static_cast<std::int64_t>(g));
  std::sort(sorted.begin(), sorted.end());
  const auto up_to = [&](float limit) {
    return std::partition_point(sorted.begin(), sorted.end(), [limit](const auto& entry) { return entry.first <= limit; });
  };
  std::vector<std::int64_t> out;
  Known exact(row);
  for (const double threshold : thresholds) {
    const Window window(threshold, row.margin);
    const auto low = up_to(window.low), high = up_to(window.high);
    out.push_back((low - sorted.begin()) + std::count_if(low, high, [&](const auto& entry) { return exact(entry.second) <= threshold; }));
  }
  return out;
}

/// How many finite values of the row are not above each of `thresholds`.
std::vector<std::int64_t> counts_up_to(const DistanceRow& row, std::span<const double> thresholds) {
  constexpr std::size_t few = 64;
  return thresholds.size() <= few ? counts_by_passes(row, thresholds) : counts_by_sorting(row, thresholds);
}

}  // namespace

Gallery::Gallery(std::vector<Sighting> items, const GalleryRules& rules) : items_(std::move(items)), rules_(rules), order_(items_.size()) {
  std::iota(order_.begin(), order_.end(), 0);
  const auto identity = [&](std::int64_t g) { return items_[static_cast<std::size_t>(g)].identity; };
  std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return identity(a) < identity(b); });
  for (std::size_t i = 0; i < order_.size(); ++i)
    if (i == 0 || identity(order_[i]) != identity(order_[i - 1])) stretches_.push_back(i);
  stretches_.push_back(order_.size());
}

std::span<const std::int64_t> Gallery::of(std::int64_t identity) const {
  const auto at = [&](std::int64_t g) { return items_[static_cast<std::size_t>(g)].identity; };
  const auto begin = std::partition_point(order_.begin(), order_.end(), [&](auto g) { return at(g) < identity; });
  const auto end = std::partition_point(begin, order_.end(), [&](auto g) { return at(g) == identity; });
  return {begin, end};
}

bool Gallery::left_out(const Sighting& query, std::int64_t self, std::int64_t g) const {
  const Sighting& item = items_[static_cast<std::size_t>(g)];
  return (rules_.special_identities && item.identity == GalleryRules::junk) || (rules_.drop_self && g == self) ||
         (rules_.drop_same_camera && item.identity == query.identity && item.camera == query.camera);
}

bool Gallery::right(const Sighting& query, std::int64_t g) const {
  const std::int64_t identity = items_[static_cast<std::size_t>(g)].identity;
  return identity == query.identity && !(rules_.special_identities && identity == GalleryRules::distractor);
}

Ranked rank_query(DistanceRow& row, const Sighting& query, const Gallery& gallery) {
  Ranked out;
  std::int64_t gone = 0;
  const auto take_out = [&](std::int64_t g) {
    gone += row.approximate[static_cast<std::size_t>(g)] < infinite ? 1 : 0;
    row.approximate[static_cast<std::size_t>(g)] = infinite;
  };
  for (const auto g : gallery.junk()) take_out(g);
  if (gallery.rules().drop_self) take_out(row.query);
  std::vector<double> right;
  std::vector<std::pair<std::int64_t, float>> kept;
  for (const auto g : gallery.of(query.identity)) {
    if (gallery.left_out(query, row.query, g)) {
      take_out(g);
    } else if (gallery.right(query, g)) {
      right.push_back(row.exact(g));
      kept.emplace_back(g, row.approximate[static_cast<std::size_t>(g)]);
      row.approximate[static_cast<std::size_t>(g)] = infinite;  // not one of those to be counted before the right ones
    }
  }
  out.size = static_cast<std::int64_t>(row.approximate.size()) - gone;
  std::sort(right.begin(), right.end());
  out.ranks = counts_up_to(row, right);
  for (std::size_t i = 0; i < out.ranks.size(); ++i) out.ranks[i] += static_cast<std::int64_t>(i) + 1;
  for (const auto& [g, value] : kept) row.approximate[static_cast<std::size_t>(g)] = value;
  return out;
}

double average_precision(const Ranked& ranked) {
  double sum = 0;
  for (std::size_t i = 0; i < ranked.ranks.size(); ++i) sum += static_cast<double>(i + 1) / static_cast<double>(ranked.ranks[i]);
  return ranked.ranks.empty() ? 0 : sum / static_cast<double>(ranked.ranks.size());
}

double trapezoid_average_precision(const Ranked& ranked) {
  double sum = 0;
  for (std::size_t i = 0; i < ranked.ranks.size(); ++i) {
    const auto rank = static_cast<double>(ranked.ranks[i]), before = static_cast<double>(i);
    sum += ((ranked.ranks[i] == 1 ? 1 : before / (rank - 1)) + (before + 1) / rank) / 2;
  }
  return ranked.ranks.empty() ? 0 : sum / static_cast<double>(ranked.ranks.size());
}

double inverse_negative_penalty(const Ranked& ranked) {
  return ranked.ranks.empty() ? 0 : static_cast<double>(ranked.ranks.size()) / static_cast<double>(ranked.ranks.back());
}

RankingFigures ranking_figures(std::span<const Ranked> queries, std::int64_t depth) {
  RankingFigures out;
  out.cmc.assign(static_cast<std::size_t>(depth), 0);
  for (const Ranked& query : queries) {
    if (query.ranks.empty()) {
      ++out.without_match;
      continue;
    }
    ++out.queries;
    out.mean_ap += average_precision(query);
    out.mean_trapezoid_ap += trapezoid_average_precision(query);
    out.mean_inp += inverse_negative_penalty(query);
    for (auto k = query.ranks.front() - 1; k < depth; ++k) out.cmc[static_cast<std::size_t>(k)] += 1;
  }
  if (out.queries == 0) return out;
  const auto n = static_cast<double>(out.queries);
  for (double& share : out.cmc) share /= n;
  out.mean_ap /= n;
  out.mean_trapezoid_ap /= n;
  out.mean_inp /= n;
  return out;
}

std::vector<std::int64_t> single_shot_ranks(const DistanceRow& row, const Sighting& query, const Gallery& gallery,
                                            const SingleShot& options) {
  const auto order = gallery.by_identity();
  const auto right_rows = gallery.of(query.identity);
  std::vector<std::int64_t> right;
  for (const auto g : right_rows)
    if (!gallery.left_out(query, row.query, g) && gallery.right(query, g)) right.push_back(g);
  if (right.empty()) return {};
  const auto& rules = gallery.rules();
  std::vector<std::int64_t> out;
  for (std::int64_t repeat = 0; repeat < options.repeats; ++repeat) {
    core::Rng rng(options.seed, core::Stream::eval, static_cast<std::uint64_t>(row.query), static_cast<std::uint64_t>(repeat));
    const std::int64_t chosen = right[rng.below(right.size())];
    const double distance = row.exact(chosen);
    const auto before = [&](std::int64_t g) {
      const auto near = static_cast<double>(row.approximate[static_cast<std::size_t>(g)]);
      if (near < distance - row.margin) return true;
      return near <= distance + row.margin && row.exact(g) <= distance;
    };
    std::int64_t rank = 1;
    for (std::size_t s = 0; s + 1 < gallery.stretches().size(); ++s) {
      const auto stretch = order.subspan(gallery.stretches()[s], gallery.stretches()[s + 1] - gallery.stretches()[s]);
      const std::int64_t identity = gallery.items()[static_cast<std::size_t>(stretch.front())].identity;
      if (identity == query.identity || (rules.special_identities && identity == GalleryRules::junk)) continue;
      if (options.distractors_apart && rules.special_identities && identity == GalleryRules::distractor) {
        for (const auto g : stretch) rank += before(g) ? 1 : 0;
      } else {
        rank += before(stretch[rng.below(stretch.size())]) ? 1 : 0;
      }
    }
    out.push_back(rank);
  }
  return out;
}

std::vector<double> single_shot_cmc(std::span<const std::vector<std::int64_t>> ranks, std::int64_t depth) {
  // Every query has as many draws: shares are whole numbers divided once.
  std::vector<std::int64_t> counts(static_cast<std::size_t>(depth));
  std::int64_t draws = 0;
  for (const auto& query : ranks) {
    draws += static_cast<std::int64_t>(query.size());
    for (const auto rank : query)
      for (auto k = rank - 1; k < depth; ++k) ++counts[static_cast<std::size_t>(k)];
  }
  std::vector<double> out;
  for (const std::int64_t count : counts) out.push_back(static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(draws, 1)));
  return out;
}

}  // namespace selfsight::metrics
