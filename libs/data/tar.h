// Tar archives (POSIX ustar, pax and GNU long names) held in memory or in a map, and their writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

inline constexpr std::uint64_t tar_block = 512;  ///< headers are this long; bodies begin at multiples of it, right behind their header

struct TarEntry {
  std::string name;  ///< as core::safe_entry has it; folders without a slash at the end
  bool folder = false;
  std::uint64_t offset = 0;  ///< of the body in the archive
  std::uint64_t size = 0;
};

/// Plain files and folders in the archive's order; links and devices are passed over.
/// Errors: bad_data naming `archive` and the entry: a checksum that does not fit, a body that passes the end, an unsafe name, a sparse
/// file, anything behind the end mark.
std::vector<TarEntry> list_tar(std::span<const std::byte> bytes, const std::filesystem::path& archive);

/// The 512-byte header of a plain file (owner and time zero, so that equal content gives equal bytes), with a GNU long name
/// in front where the name needs one.
std::vector<std::byte> tar_header(const std::string& name, std::uint64_t size);
/// Zero bytes that fill a body up to whole blocks.
std::size_t tar_padding(std::uint64_t size);

}  // namespace selfsight::data
