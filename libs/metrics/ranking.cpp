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

/// How many finite entries of `values` are before each of `thresholds` (ascending), equal ones included; what float32 cannot tell is asked
/// of row.exact. Few thresholds: each is a pass over the row that vector units make quick. Many: one sort.
std::vector<std::int64_t> counts_up_to(const DistanceRow& row, std::span<const double> thresholds) {
  constexpr std::size_t few = 32;
  const std::span<const float> values = row.approximate;
  std::vector<std::int64_t> out;
  std::vector<std::int64_t> order;
  if (thresholds.size() > few) {
    for (std::size_t g = 0; g < values.size(); ++g)
      if (values[g] < infinite) order.push_back(static_cast<std::int64_t>(g));
    std::sort(order.begin(), order.end(),
              [&](auto a, auto b) { return values[static_cast<std::size_t>(a)] < values[static_cast<std::size_t>(b)]; });
  }
  const auto passed = [&](float limit) {
    if (thresholds.size() > few)
      return static_cast<std::int64_t>(
          std::partition_point(order.begin(), order.end(), [&](auto g) { return values[static_cast<std::size_t>(g)] <= limit; }) -
          order.begin());
    std::int32_t count = 0;
    for (const float value : values) count += value <= limit ? 1 : 0;
    return static_cast<std::int64_t>(count);
  };
  std::vector<double> known;  // exact values, asked for once
  const auto exact = [&](std::int64_t g) {
    if (known.empty()) known.assign(values.size(), std::numeric_limits<double>::quiet_NaN());
    double& value = known[static_cast<std::size_t>(g)];
    if (std::isnan(value)) value = row.exact(g);
    return value;
  };
  for (const double threshold : thresholds) {
    // `low` and `high` enclose the values that may lie on either side.
    const float low = std::nextafterf(below(threshold - row.margin), -infinite);
    const float high = std::min(std::nextafterf(below(threshold + row.margin), infinite), std::numeric_limits<float>::max());
    std::int64_t count = passed(low);
    const std::int64_t unsure = passed(high) - count;
    if (unsure > 0 && thresholds.size() > few) {
      for (auto i = static_cast<std::size_t>(count), end = i + static_cast<std::size_t>(unsure); i < end; ++i)
        count += exact(order[i]) <= threshold ? 1 : 0;
    } else if (unsure > 0) {
      for (std::size_t g = 0; g < values.size(); ++g)
        if (values[g] > low && values[g] <= high) count += exact(static_cast<std::int64_t>(g)) <= threshold ? 1 : 0;
    }
    out.push_back(count);
  }
  return out;
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
  std::vector<double> out(static_cast<std::size_t>(depth));
  std::int64_t queries = 0;
  for (const auto& query : ranks) {
    queries += query.empty() ? 0 : 1;
    for (const auto rank : query)
      for (auto k = rank - 1; k < depth; ++k) out[static_cast<std::size_t>(k)] += 1 / static_cast<double>(query.size());
  }
  for (double& share : out) share /= static_cast<double>(std::max<std::int64_t>(queries, 1));
  return out;
}

}  // namespace selfsight::metrics
