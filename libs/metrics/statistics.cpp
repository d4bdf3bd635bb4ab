#include "metrics/statistics.h"

#include "core/error.h"

#include <cmath>
#include <numeric>

namespace selfsight::metrics {

double mean(std::span<const double> values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double standard_error(std::span<const double> values) {
  return values.empty() ? 0 : standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

Paired paired_difference(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) core::fail(core::Exit::internal, "paired difference of {} and {} values", a.size(), b.size());
  Paired out;
  for (std::size_t i = 0; i < a.size(); ++i) out.samples.push_back(a[i] - b[i]);
  out.mean = mean(out.samples);
  out.standard_error = standard_error(out.samples);
  return out;
}

}  // namespace selfsight::metrics
