// How a program uses the processors of a machine that it may not have for itself.
#include "core/threads.h"
#include "train/tensors.h"

#include <malloc.h>
#include <unistd.h>
#include <algorithm>
#include <cstring>
#include <limits>

namespace selfsight::train {

namespace {

// LibTorch's OpenMP threads spin while they wait for each other, by default for a good part of a millisecond. On a processor that they
// share with anything else (a second run, a compiler, another user's job) they burn their time waiting for one that is not running: beside
// one busy process of higher priority, a run of 1.4 s took 42 s on two cores; with short spinning it takes 2.8 s, and on a quiet machine as
// long as before (2 % more; without any spinning it would be 20 %).
//
// The library reads its environment when it is loaded, before main(): so this starts the program again with the variable set, from the one
// place that comes earlier still (10 to 20 ms). A user's own GOMP_SPINCOUNT or OMP_WAIT_POLICY is left as it is. Nothing of the C++
// run-time is up yet here: plain system calls only.
void start_again_spinning_briefly(int, char** argv, char** environment) {
  const auto names = [](const char* variable, const char* name) {
    const std::size_t length = std::strlen(name);
    return std::strncmp(variable, name, length) == 0 && variable[length] == '=';
  };
  constexpr std::size_t most = 4096;
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count)
    if (count == most || names(environment[count], "OMP_WAIT_POLICY") || names(environment[count], "GOMP_SPINCOUNT")) return;
  static char* with_count[most + 2];
  static char spinning[] = "GOMP_SPINCOUNT=1000";
  std::copy(environment, environment + count, with_count);
  with_count[count] = spinning;
  ::execve("/proc/self/exe", argv, with_count);  // comes back only when it failed: then the program goes on as it is
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**, char**) = start_again_spinning_briefly;

}  // namespace

void prepare_cpu(std::int64_t threads) {
  at::set_num_threads(static_cast<int>(threads > 0 ? threads : core::default_threads()));
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace selfsight::train
