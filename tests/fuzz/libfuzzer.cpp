// The entry that libFuzzer calls, and mapped files as heap blocks: behind the end of a file, a map goes on to the end of its page without
// a fault; AddressSanitizer notices the first byte too far in a block. The linker puts these in place of the system's (--wrap).
#include "fuzz/target.h"

#include <sys/mman.h>
#include <unistd.h>
#include <mutex>
#include <set>

namespace {

std::mutex mutex;
std::set<void*>& blocks() {
  static std::set<void*> all;
  return all;
}

}  // namespace

extern "C" {

void* __real_mmap(void* where, std::size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void* at, std::size_t size);

void* __wrap_mmap(void* where, std::size_t size, int protection, int flags, int fd, off_t offset) {
  if (fd < 0) return __real_mmap(where, size, protection, flags, fd, offset);
  void* block = std::malloc(size);
  if (block == nullptr || ::pread(fd, block, size, offset) != static_cast<ssize_t>(size)) {
    std::free(block);
    return MAP_FAILED;
  }
  const std::lock_guard lock(mutex);
  blocks().insert(block);
  return block;
}

int __wrap_munmap(void* at, std::size_t size) {
  {
    const std::lock_guard lock(mutex);
    if (blocks().erase(at) == 0) return __real_munmap(at, size);
  }
  std::free(at);
  return 0;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  selfsight::fuzz::try_input(std::as_bytes(std::span(data, size)));
  return 0;
}

}  // extern "C"
