#include "metrics/correlation.h"

#include "core/error.h"
#include "metrics/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::metrics {

namespace {

bool constant(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [&](double value) { return value == values.front(); });
}

/// Less the mean, and of length 1. The scale comes first, so that neither large nor small values overflow or vanish when squared.
std::vector<double> standardised(std::span<const double> values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  std::vector<double> out;
  for (const double value : values) out.push_back(value / largest);
  const double centre = mean(out);
  for (double& value : out) value -= centre;
  largest = 0;
  for (const double value : out) largest = std::max(largest, std::fabs(value));
  double sum = 0;
  for (double& value : out) {
    value /= largest;
    sum += value * value;
  }
  for (double& value : out) value /= std::sqrt(sum);
  return out;
}

}  // namespace

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = static_cast<double>(begin + 1 + end) / 2;
  }
  return out;
}

Correlation pearson(std::span<const double> a, std::span<const double> b, const std::string& a_name, const std::string& b_name) {
  if (a.size() != b.size()) core::fail(core::Exit::internal, "correlation of {} and {} values", a.size(), b.size());
  if (a.size() < 2) return {std::nullopt, "fewer than two pairs"};
  for (const auto& [values, name] : {std::pair(a, a_name), std::pair(b, b_name)})
    if (constant(values)) return {std::nullopt, fmt::format("the {} are all equal", name)};
  const std::vector<double> x = standardised(a), y = standardised(b);
  return {std::clamp(std::inner_product(x.begin(), x.end(), y.begin(), 0.0), -1.0, 1.0), ""};
}

Correlation spearman(std::span<const double> a, std::span<const double> b, const std::string& a_name, const std::string& b_name) {
  return pearson(average_ranks(a), average_ranks(b), a_name, b_name);
}

}  // namespace selfsight::metrics
