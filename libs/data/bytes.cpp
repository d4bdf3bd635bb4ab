#include "data/bytes.h"

#include "core/error.h"

namespace selfsight::data {

FileBytes::FileBytes(const std::filesystem::path& path, std::uint64_t limit) : map_(path) {
  if (map_.bytes().empty()) core::fail(core::Exit::bad_data, "{}: empty file", path.string());
  if (core::is_gzip(map_.bytes())) {
    inflated_ = core::gunzip(map_.bytes(), path.string(), limit);
    if (inflated_.empty()) core::fail(core::Exit::bad_data, "{}: inflates to nothing", path.string());
  }
}

std::uint64_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  return value;
}

}  // namespace selfsight::data
