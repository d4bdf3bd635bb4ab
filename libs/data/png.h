// The container of PNG (ISO/IEC 15948): chunks, and the compressed rows inside. What the rows mean is the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

enum class PngColour : std::uint8_t { grey = 0, rgb = 2, indexed = 3, grey_alpha = 4, rgb_alpha = 6 };

struct PngHeader {
  std::int64_t width = 0, height = 0;
  int depth = 8;  ///< bits a channel
  PngColour colour = PngColour::grey;
  bool interlaced = false;
};

bool is_png(std::span<const std::byte> bytes);

/// A PNG taken apart: its header, and its image data still compressed.
struct PngFile {
  PngHeader header;
  std::span<const std::byte> data;  ///< into the file, or into `joined`
  std::vector<std::byte> joined;
};
/// Reads all chunks up to IEND. Error: bad_data naming `name` (no PNG, cut, a checksum that does not fit, a header that the standard does
/// not know).
PngFile open_png(std::span<const std::byte> bytes, const std::string& name);
/// The rows, each with its filter in front: exactly `size` bytes. Error: bad_data when the image data is damaged or of another size;
/// nothing is allocated for a size that so little data cannot come to.
std::unique_ptr<std::uint8_t[]> inflate_png(const PngFile& file, std::size_t size, const std::string& name);

/// A whole PNG from its rows, each with its filter in front. `palette`: red, green and blue of each index; empty unless the colour is
/// indexed.
std::vector<std::byte> pack_png(const PngHeader& header, std::span<const std::uint8_t> rows, std::span<const std::uint8_t> palette = {});

}  // namespace selfsight::data
