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

/// The positive whole number that an environment variable holds; one that holds something else is passed over, with a warning.
std::optional<std::int64_t> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  std::int64_t value = 0;
  const char* end = text + std::strlen(text);
  if (const auto [stop, error] = std::from_chars(text, end, value); error == std::errc() && stop == end && value > 0) return value;
  core::log_warning("{}={}: is no number of seconds, so the end of the batch job is not known; see --time-limit", variable, text);
  return std::nullopt;
}

struct JobEnd {
  double seconds;  ///< from now
  const char* variable;
};

std::optional<JobEnd> end_of_job() {
  if (const auto end = number_from("SLURM_JOB_END_TIME"))
    return JobEnd{static_cast<double>(*end - std::time(nullptr)), "SLURM_JOB_END_TIME"};
  if (const auto length = number_from("PBS_WALLTIME")) return JobEnd{static_cast<double>(*length), "PBS_WALLTIME"};
  return std::nullopt;
}

}  // namespace

Deadline::Deadline(double minutes) : end_(never) {
  const double now = core::monotonic_seconds();
  if (minutes > 0) {
    end_ = now + minutes * 60;
    what_ = fmt::format("--time-limit {} (minutes)", minutes);
  }
  if (minutes != 0) return;
  if (const auto job = end_of_job()) {
    end_ = now + job->seconds - margin;
    what_ = fmt::format("the end of the batch job ({})", job->variable);
    if (job->seconds > margin)
      core::log_info("{}: the batch job ends in {:.1f} minutes; {:.0f} seconds before, the run writes a checkpoint and stops",
                     job->variable, job->seconds / 60, margin);
    else
      core::log_warning(
          "{}: the batch job ends {}, so the run makes a single update; give it more time, or --time-limit -1 if that is wrong",
          job->variable, job->seconds > 0 ? fmt::format("in {:.0f} seconds", job->seconds) : "before now");
  }
}

bool Deadline::passed() const { return core::monotonic_seconds() >= end_; }

}  // namespace selfsight::train
