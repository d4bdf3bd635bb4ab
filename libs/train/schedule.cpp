#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace selfsight::train {

double cosine(double from, double to, double share) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0)));
}

namespace {

/// The value while the warm-up lasts.
std::optional<double> warming(double start, double peak, double warmup_epochs, const Progress& progress) {
  const double warmup = warmup_epochs * static_cast<double>(progress.steps_per_epoch);
  const auto step = static_cast<double>(progress.step);
  if (step >= warmup) return std::nullopt;
  return start + (peak - start) * std::min(1.0, (step + 1.0) / std::max(1.0, warmup));
}

}  // namespace

double warmup_cosine(double start, double peak, double end, double warmup_epochs, const Progress& progress) {
  if (const auto value = warming(start, peak, warmup_epochs, progress)) return *value;
  const double warmup = warmup_epochs * static_cast<double>(progress.steps_per_epoch);
  const double rest = static_cast<double>(progress.total_steps) - warmup;
  return cosine(peak, end, rest > 0 ? (static_cast<double>(progress.step) - warmup) / rest : 1.0);
}

double warmup_steps(double start, double peak, double gamma, const std::vector<std::int64_t>& bounds, double warmup_epochs,
                    const Progress& progress) {
  if (const auto value = warming(start, peak, warmup_epochs, progress)) return *value;
  const auto reached = std::count_if(bounds.begin(), bounds.end(), [&](std::int64_t bound) { return bound <= progress.epoch(); });
  return peak * std::pow(gamma, static_cast<double>(reached));
}

}  // namespace selfsight::train
