// A file's bytes, mapped when it is plain and inflated once when it is gzip: what the binary and archive sources read from.
#pragma once

#include "core/files.h"

#include <filesystem>
#include <span>
#include <utility>
#include <vector>

namespace selfsight::data {

class FileBytes {
 public:
  /// Errors: no_input; bad_data naming a file that is empty, damaged, or inflates to more than `limit` or half of the machine's memory.
  explicit FileBytes(const std::filesystem::path& path, std::uint64_t limit = std::uint64_t{1} << 36);
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return inflated_.empty() ? map_.bytes() : std::span<const std::byte>(inflated_);
  }
  /// See core::MappedFile::will_need.
  void will_need(std::size_t offset, std::size_t size) const {
    if (inflated_.empty()) map_.will_need(offset, size);
  }

 private:
  core::MappedFile map_;
  std::vector<std::byte> inflated_;
};

/// A whole number of `count` bytes at `at`, the most significant first.
std::uint64_t big_endian(std::span<const std::byte> bytes, std::size_t at, std::size_t count);

}  // namespace selfsight::data
