// When a run has to stop itself: by --time-limit, or ahead of the end of the batch job that it runs in.
#pragma once

#include <string>

namespace selfsight::train {

class Deadline {
 public:
  /// `minutes` > 0: so long from now. 0: `margin` seconds before the end of the batch job, where its scheduler says when that is
  /// (SLURM_JOB_END_TIME, a UNIX time, of Slurm 23.02 and later; PBS_WALLTIME, the seconds that Torque gives a job, taken to begin now).
  /// < 0: never.
  explicit Deadline(double minutes);
  [[nodiscard]] bool passed() const;
  /// "--time-limit 30 (minutes)" or "the end of the batch job (SLURM_JOB_END_TIME)".
  [[nodiscard]] const std::string& what() const { return what_; }

  static constexpr double margin = 120;  ///< seconds for the update under way and its checkpoint

 private:
  double end_;  ///< of core::monotonic_seconds()
  std::string what_;
};

}  // namespace selfsight::train
