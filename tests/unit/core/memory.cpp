#include "core/memory.h"

#include "core/threads.h"
#include "unit/support.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <atomic>
#include <new>

using namespace selfsight;

TEST_CASE("amounts of memory are read with their units") {
  CHECK(core::parse_bytes("", "max-memory") == 0);
  CHECK(core::parse_bytes("4096", "max-memory") == 4096);
  CHECK(core::parse_bytes("1.5G", "max-memory") == 1610612736);
  CHECK(core::parse_bytes("800M", "max-memory") == std::uint64_t{800} << 20);
  CHECK(core::bytes_text(1610612736) == "1.5 GiB");
  for (const char* wrong : {"lots", "-1", "1.5X", "1e30G", "G"})
    CHECK(test::contains(test::error_of(core::Exit::usage, [&] { core::parse_bytes(wrong, "max-memory"); }), "--max-memory"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which take more than these bounds for themselves
TEST_CASE("a bound stops what would pass it") {
  // In a child: the bound cannot be taken back.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    core::bound_memory(std::uint64_t{512} << 20);
    try {
      volatile char* small = new char[64 << 20];
      small[0] = 1;
      const auto* large = new (std::nothrow) char[std::size_t{1} << 30];
      ::_exit(large == nullptr ? 0 : 1);
    } catch (const std::bad_alloc&) {
      ::_exit(2);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("where the bound has no room for the stacks of all threads, fewer do the work") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    core::bound_memory(std::uint64_t{64} << 20);
    std::atomic<int> visits{0};
    core::parallel_for(2000, 1, 1000, [&](std::int64_t begin, std::int64_t end) { visits += static_cast<int>(end - begin); });
    ::_exit(visits == 2000 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif
