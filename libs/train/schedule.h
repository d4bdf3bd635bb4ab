// Values that change with training: learning rate, weight decay, momentum, temperature. Pure functions of the step.
#pragma once

#include <cstdint>
#include <vector>

namespace selfsight::train {

/// Where training stands. Schedules are per step; `epoch` counts from 0.
struct Progress {
  std::int64_t step = 0, total_steps = 1;
  std::int64_t steps_per_epoch = 1;

  [[nodiscard]] std::int64_t epoch() const { return step / steps_per_epoch; }
  /// Epochs done, with the fraction of the current one.
  [[nodiscard]] double epochs() const { return static_cast<double>(step) / static_cast<double>(steps_per_epoch); }
  /// 0 at the first step, 1 after the last.
  [[nodiscard]] double share() const { return share_of(step); }
  /// The same at the next step.
  [[nodiscard]] double next_share() const { return share_of(step + 1); }

 private:
  [[nodiscard]] double share_of(std::int64_t at) const { return static_cast<double>(at) / static_cast<double>(total_steps); }
};

/// Half a cosine from `from` (share 0) to `to` (share 1).
double cosine(double from, double to, double share);
/// Linear warm-up from `start` (step 0 already gets the first increment) to `peak` over `warmup_epochs`, then half a cosine down to `end`.
double warmup_cosine(double start, double peak, double end, double warmup_epochs, const Progress& progress);
/// The same warm-up, then `peak` times `gamma` for each of `bounds` that the epoch (from 0) has reached: with bounds {60, 120} epochs 0 to
/// 59 have the peak, 60 to 119 have gamma * peak.
double warmup_steps(double start, double peak, double gamma, const std::vector<std::int64_t>& bounds, double warmup_epochs,
                    const Progress& progress);

}  // namespace selfsight::train
