// A plain data-parallel loop. Long-lived pipelines (the loader) own their threads themselves.
#pragma once

#include <cstdint>
#include <functional>

namespace selfsight::core {

/// Threads to use when the user did not say: the processors this process may run on, or its part of them.
int default_threads();
/// From now on default_threads() leaves room for `processes` that use the same processors, this one included.
void share_processors(int processes);
/// Calls body(begin, end) over [0, count) in chunks of `grain` on up to `threads` threads, the caller's included. Which
/// thread takes a chunk is not fixed, so results must depend on the index alone. Of exceptions that of the lowest chunk is rethrown: what a
/// user is told does not depend on the threads either.
void parallel_for(std::int64_t count, std::int64_t grain, int threads,
                  const std::function<void(std::int64_t begin, std::int64_t end)>& body);

}  // namespace selfsight::core
