#include "metrics/region_boundary.h"

#include "core/error.h"
#include "metrics/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace selfsight::metrics {

namespace {

std::vector<Boundary> boundaries_of(const LabelView& image, std::int64_t count, std::int64_t radius) {
  std::vector<Boundary> out;
  for (const BitPlane& mask : planes_of(image, count)) out.emplace_back(mask, radius);
  return out;
}

/// Mean of values[begin..end], both included and cut at the end; not a number for none.
double mean_between(std::span<const double> values, std::size_t begin, std::size_t end) {
  end = std::min(end + 1, values.size());
  return begin < end ? mean(values.subspan(begin, end - begin)) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

FrameComparison::FrameComparison(const LabelView& truth, const LabelView& prediction, std::int64_t objects, std::int64_t proposals)
    : table_(contingency(truth, prediction)) {
  const std::int64_t radius = boundary_radius(truth.height, truth.width);
  for (std::int64_t i = 1; i <= objects; ++i) object_pixels_.push_back(table_.row_sum(i));
  for (std::int64_t j = 1; j <= proposals; ++j) proposal_pixels_.push_back(table_.column_sum(j));
  object_lines_ = boundaries_of(truth, objects, radius);
  proposal_lines_ = boundaries_of(prediction, proposals, radius);
}

double FrameComparison::j(std::int64_t object, std::int64_t proposal) const {
  const std::int64_t both = object < table_.rows && proposal < table_.columns ? table_.at(object, proposal) : 0;
  const std::int64_t either =
      object_pixels_[static_cast<std::size_t>(object - 1)] + proposal_pixels_[static_cast<std::size_t>(proposal - 1)] - both;
  return either == 0 ? 1 : static_cast<double>(both) / static_cast<double>(either);
}

double FrameComparison::f(std::int64_t object, std::int64_t proposal) const {
  return boundary_f(object_lines_[static_cast<std::size_t>(object - 1)], proposal_lines_[static_cast<std::size_t>(proposal - 1)]);
}

SequenceStatistics sequence_statistics(std::span<const double> values) {
  if (values.empty()) core::fail(core::Exit::internal, "statistics of a sequence without frames");
  SequenceStatistics out;
  out.mean = mean(values);
  const auto above = std::count_if(values.begin(), values.end(), [](double value) { return value > 0.5; });
  out.recall = static_cast<double>(above) / static_cast<double>(values.size());
  // Frames at 0, 1/4, ... of the way, halves rounded up: the small number decides exact halves.
  std::array<std::size_t, 5> bounds{}, wrapped{};
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const double place = 1 + static_cast<double>(i * (values.size() - 1)) / 4;
    bounds[i] = static_cast<std::size_t>(std::nearbyint(place + 1e-10)) - 1;
    wrapped[i] = bounds[i] % 256;
  }
  const auto decay = [&](const std::array<std::size_t, 5>& b) {
    return mean_between(values, b[0], b[1]) - mean_between(values, b[3], b[4]);
  };
  out.decay = decay(bounds);
  out.official_decay = decay(wrapped);
  return out;
}

}  // namespace selfsight::metrics
