#include "score/shown.h"

#include "core/memory.h"

#include <algorithm>
#include <cmath>

namespace selfsight::score {

manifest::Json shown(const std::string& name, const manifest::fs::path& image, const std::string& text) {
  manifest::Json out = {{"name", name}};
  if (!image.empty()) out["image"] = {{"path", image.string()}};
  if (!text.empty()) out["text"] = text;
  return out;
}

metrics::DistanceOptions block_options(int threads) {
  metrics::DistanceOptions out;
  out.threads = threads;
  if (core::memory_bound() > 0) out.memory = std::min(out.memory, core::memory_bound() / 2);
  return out;
}

std::vector<std::int64_t> best_and_worst(std::span<const double> values, std::int64_t most) {
  std::vector<std::int64_t> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isnan(values[i])) order.push_back(static_cast<std::int64_t>(i));
  const auto value = [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return value(a) > value(b); });
  const auto count = static_cast<std::int64_t>(order.size());
  std::vector<std::int64_t> out(order.begin(), order.begin() + std::min(most, count));
  out.insert(out.end(), order.begin() + std::max(std::min(most, count), count - most), order.end());
  return out;
}

Selection::Selection(const metrics::Rows& from, std::span<const std::int64_t> which) {
  for (const auto i : which) values.insert(values.end(), from.row(i), from.row(i) + from.dim);
  rows = {values, static_cast<std::int64_t>(which.size()), from.dim};
}

}  // namespace selfsight::score
