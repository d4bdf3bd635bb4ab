#include "data/bytes.h"

#include "core/error.h"

#include <unistd.h>
#include <algorithm>

namespace selfsight::data {
namespace {

/// Half of the machine's memory: a buffer that grows holds what it had and what it gets.
std::uint64_t most_inflated() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
}

}  // namespace

FileBytes::FileBytes(const std::filesystem::path& path, std::uint64_t limit) : map_(path) {
  if (map_.bytes().empty()) core::fail(core::Exit::bad_data, "{}: empty file", path.string());
  if (core::is_gzip(map_.bytes())) {
    inflated_ = core::gunzip(map_.bytes(), path.string(), std::min(limit, most_inflated()));
    if (inflated_.empty()) core::fail(core::Exit::bad_data, "{}: inflates to nothing", path.string());
  }
}

std::uint64_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  return value;
}

}  // namespace selfsight::data
