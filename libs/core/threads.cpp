#include "core/threads.h"

#include <sched.h>
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace selfsight::core {

namespace {

std::atomic<int> sharers{1};

int processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int default_threads() { return std::max(1, processors() / sharers); }

void share_processors(int processes) { sharers = std::max(1, processes); }

void parallel_for(std::int64_t count, std::int64_t grain, int threads, const std::function<void(std::int64_t, std::int64_t)>& body) {
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t chunks = (count + grain - 1) / grain;
  std::atomic<std::int64_t> next{0};
  std::exception_ptr error;
  std::int64_t failed = chunks;  // the first chunk that did: chunks are taken in order, so every one before it is done too
  std::mutex mutex;
  const auto work = [&] {
    for (std::int64_t chunk = next++; chunk < chunks; chunk = next++) {
      try {
        body(chunk * grain, std::min(count, (chunk + 1) * grain));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (chunk < failed) error = std::current_exception();
        failed = std::min(failed, chunk);
        next = chunks;
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      for (std::int64_t i = 1; i < std::min<std::int64_t>(threads, chunks); ++i) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // No room for another thread's stack (a bound on memory, a limit on processes): those there are do all of the work.
    }
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace selfsight::core
