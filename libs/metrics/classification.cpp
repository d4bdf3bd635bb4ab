#include "metrics/classification.h"

#include "core/error.h"

namespace selfsight::metrics {

namespace {

void check_class(std::int64_t value, std::int64_t classes) {
  if (value < 0 || value >= classes) core::fail(core::Exit::internal, "class {} is outside the {} classes", value, classes);
}

void check_sizes(std::size_t predictions, std::size_t labels) {
  if (predictions != labels || labels == 0) core::fail(core::Exit::internal, "{} predictions for {} labels", predictions, labels);
}

}  // namespace

double accuracy(std::span<const std::int64_t> predictions, std::span<const std::int64_t> labels) {
  check_sizes(predictions.size(), labels.size());
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predictions[i] == labels[i] ? 1 : 0;
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

double top_k(std::span<const float> scores, std::int64_t classes, std::span<const std::int64_t> labels, std::int64_t k) {
  check_sizes(classes > 0 ? scores.size() / static_cast<std::size_t>(classes) : 0, labels.size());
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    check_class(labels[i], classes);
    const auto row = scores.subspan(i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes));
    const auto label = static_cast<std::size_t>(labels[i]);
    std::int64_t ahead = 0;
    for (std::size_t c = 0; c < row.size(); ++c) ahead += row[c] > row[label] || (row[c] == row[label] && c < label) ? 1 : 0;
    right += ahead < k ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

Confusion confusion(std::span<const std::int64_t> predictions, std::span<const std::int64_t> labels, std::int64_t classes) {
  check_sizes(predictions.size(), labels.size());
  Confusion out{classes, std::vector<std::int64_t>(static_cast<std::size_t>(classes * classes))};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    check_class(labels[i], classes);
    check_class(predictions[i], classes);
    ++out.counts[static_cast<std::size_t>(labels[i] * classes + predictions[i])];
  }
  return out;
}

std::vector<std::optional<double>> Confusion::per_class() const {
  std::vector<std::optional<double>> out(static_cast<std::size_t>(classes));
  for (std::int64_t label = 0; label < classes; ++label) {
    std::int64_t total = 0;
    for (std::int64_t c = 0; c < classes; ++c) total += at(label, c);
    if (total > 0) out[static_cast<std::size_t>(label)] = static_cast<double>(at(label, label)) / static_cast<double>(total);
  }
  return out;
}

}  // namespace selfsight::metrics
