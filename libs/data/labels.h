// Label images: what class, object or cluster each pixel belongs to, kept as indices in PNG files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

struct Labels {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint16_t> values;  ///< height * width, row by row

  Labels() = default;
  Labels(std::int64_t h, std::int64_t w) : height(h), width(w), values(static_cast<std::size_t>(h * w)) {}
};

/// Decodes a PNG to the numbers that it stores: the index of a palette image (never its colour) and the plain value of a grey one, of 1, 2,
/// 4, 8 or 16 bits. `out` keeps its buffer where it can. Error: bad_data naming `name` (no PNG, damaged, colours or transparency instead of
/// indices, more than max_pixels of data/image.h).
void decode_labels(std::span<const std::byte> bytes, const std::string& name, Labels& out);
/// The same from a file. Further error: no_input.
void read_labels(const std::filesystem::path& path, Labels& out);

/// PNG bytes: indexed with the colours of PASCAL VOC and DAVIS when no label passes 255, else 16-bit grey.
std::vector<std::byte> encode_labels(const Labels& labels);

}  // namespace selfsight::data
