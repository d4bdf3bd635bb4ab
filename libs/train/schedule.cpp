#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace selfsight::train {

double cosine(double from, double to, double share) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0)));
}

double warmup_cosine(double start, double peak, double end, double warmup_epochs, const Progress& progress) {
  const double warmup = warmup_epochs * static_cast<double>(progress.steps_per_epoch);
  const auto step = static_cast<double>(progress.step);
  if (step < warmup) return start + (peak - start) * std::min(1.0, (step + 1.0) / std::max(1.0, warmup));
  const double rest = static_cast<double>(progress.total_steps) - warmup;
  return cosine(peak, end, rest > 0 ? (step - warmup) / rest : 1.0);
}

}  // namespace selfsight::train
