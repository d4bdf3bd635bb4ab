#include "train/deadline.h"

#include "core/log.h"
#include "core/progress.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>

namespace selfsight::train {

namespace {

constexpr double never = std::numeric_limits<double>::infinity();

/// The whole number that an environment variable holds; one that holds something else is passed over, with a warning.
std::optional<std::int64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text + std::strlen(text);
  if (const auto [stop, error] = std::from_chars(text, end, value); error == std::errc() && stop == end) return value;
  core::log_warning("{}={}: is no number of seconds, so the end of the batch job is not known; see --time-limit", variable, text);
  return std::nullopt;
}

/// Seconds from now to the end of the batch job.
std::optional<double> seconds_of_job() {
  if (const auto end = number_from("SLURM_JOB_END_TIME")) return static_cast<double>(*end - std::time(nullptr));
  if (const auto length = number_from("PBS_WALLTIME")) return static_cast<double>(*length);
  return std::nullopt;
}

}  // namespace

Deadline::Deadline(double minutes) : end_(never) {
  const double now = core::monotonic_seconds();
  if (minutes > 0) end_ = now + minutes * 60;
  if (minutes != 0) return;
  if (const auto left = seconds_of_job()) {
    end_ = now + *left - margin;
    core::log_info("the batch job ends in {:.0f} minutes; {:.0f} seconds before, the run writes a checkpoint and stops (--time-limit)",
                   *left / 60, margin);
    if (*left <= margin) core::log_warning("that is now: the run makes a single update; give the job more time");
  }
}

bool Deadline::passed() const { return core::monotonic_seconds() >= end_; }

}  // namespace selfsight::train
