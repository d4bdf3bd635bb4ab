#include "metrics/label_runs.h"

#include "core/error.h"

#include <algorithm>

namespace selfsight::metrics {

std::int64_t Contingency::row_sum(std::int64_t row) const {
  std::int64_t sum = 0;
  for (std::int64_t j = 0; row < rows && j < columns; ++j) sum += at(row, j);
  return sum;
}

std::int64_t Contingency::column_sum(std::int64_t column) const {
  std::int64_t sum = 0;
  for (std::int64_t i = 0; column < columns && i < rows; ++i) sum += at(i, column);
  return sum;
}

Contingency& Contingency::operator+=(const Contingency& other) {
  if (other.rows > rows || other.columns > columns) {
    Contingency grown(std::max(rows, other.rows), std::max(columns, other.columns));
    for (std::int64_t i = 0; i < rows; ++i) std::copy_n(counts.begin() + i * columns, columns, grown.counts.begin() + i * grown.columns);
    *this = std::move(grown);
  }
  for (std::int64_t i = 0; i < other.rows; ++i)
    for (std::int64_t j = 0; j < other.columns; ++j) counts[static_cast<std::size_t>(i * columns + j)] += other.at(i, j);
  return *this;
}

std::int64_t label_count(std::span<const std::uint16_t> labels) {
  std::uint16_t highest = 0;
  for (const std::uint16_t label : labels) highest = std::max(highest, label);
  return labels.empty() ? 0 : highest + 1;
}

Contingency contingency(const LabelView& truth, const LabelView& prediction) {
  if (truth.height != prediction.height || truth.width != prediction.width)
    core::fail(core::Exit::internal, "label images of {} x {} and {} x {} are compared", truth.width, truth.height, prediction.width,
               prediction.height);
  Contingency table(label_count(truth.labels), label_count(prediction.labels));
  for_each_common_run(truth, prediction, [&](std::uint16_t row, std::uint16_t column, std::int64_t pixels) {
    table.counts[static_cast<std::size_t>(row * table.columns + column)] += pixels;
  });
  return table;
}

}  // namespace selfsight::metrics
