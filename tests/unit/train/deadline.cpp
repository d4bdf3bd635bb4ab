#include "train/deadline.h"

#include "core/log.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>
#include <string>

using namespace selfsight;

namespace {

/// An environment with one variable of a scheduler, or none.
class Scheduler {
 public:
  Scheduler(const char* name, const std::string& value) : name_(name) {
    core::set_log_level(core::Level::error);
    ::setenv(name, value.c_str(), 1);
  }
  ~Scheduler() { ::unsetenv(name_); }
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

 private:
  const char* name_;
};

std::string in_seconds(double seconds) { return std::to_string(std::time(nullptr) + static_cast<std::time_t>(seconds)); }

}  // namespace

TEST_CASE("a deadline is what --time-limit says, in any job") {
  CHECK_FALSE(train::Deadline(0).passed());
  CHECK_FALSE(train::Deadline(5).passed());
  CHECK(train::Deadline(1e-300).passed());
  const Scheduler slurm("SLURM_JOB_END_TIME", in_seconds(-100));
  CHECK_FALSE(train::Deadline(5).passed());
  CHECK_FALSE(train::Deadline(-1).passed());
  CHECK(train::Deadline(0).passed());
}

TEST_CASE("without one it is two minutes before the end that the scheduler gives the job") {
  {
    const Scheduler slurm("SLURM_JOB_END_TIME", in_seconds(train::Deadline::margin - 10));
    CHECK(train::Deadline(0).passed());
  }
  {
    const Scheduler slurm("SLURM_JOB_END_TIME", in_seconds(train::Deadline::margin + 60));
    CHECK_FALSE(train::Deadline(0).passed());
  }
  {
    const Scheduler pbs("PBS_WALLTIME", "100");
    CHECK(train::Deadline(0).passed());
  }
  for (const char* wrong : {"", "soon", "12h"}) {
    const Scheduler slurm("SLURM_JOB_END_TIME", wrong);
    CHECK_FALSE(train::Deadline(0).passed());
  }
}
