#include "data/labels.h"

#include "core/error.h"
#include "core/files.h"
#include "data/image.h"
#include "data/png.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace selfsight::data {

namespace {

using core::Exit;
using core::fail;

/// The pixels that one pass of an interlaced image holds; an image that is not has one pass with all of them.
struct Pass {
  std::int64_t left, top, step_x, step_y;
  [[nodiscard]] std::int64_t width(const PngHeader& header) const { return (header.width - left + step_x - 1) / step_x; }
  [[nodiscard]] std::int64_t height(const PngHeader& header) const { return (header.height - top + step_y - 1) / step_y; }
  /// Bytes of a row, without its filter.
  [[nodiscard]] std::int64_t line(const PngHeader& header) const { return (width(header) * header.depth + 7) / 8; }
  [[nodiscard]] bool empty(const PngHeader& header) const { return width(header) <= 0 || height(header) <= 0; }
};
constexpr std::array<Pass, 1> whole{{{0, 0, 1, 1}}};
constexpr std::array<Pass, 7> adam7{{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};

/// Of the left, the upper and the upper-left byte the one nearest to left + up - corner.
int paeth(int left, int up, int corner) {
  const int a = std::abs(up - corner), b = std::abs(left - corner), c = std::abs(left + up - 2 * corner);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/// Takes the filter off `line` in place. `above`: the row before it in the same pass, null for the first. `step`: bytes of a pixel. False
/// for an unknown filter.
bool unfilter(int filter, std::uint8_t* line, const std::uint8_t* above, std::int64_t bytes, std::int64_t step) {
  const auto up = [&](std::int64_t i) { return above == nullptr ? 0 : above[i]; };
  const auto add = [&](std::int64_t i, int value) { line[i] = static_cast<std::uint8_t>(line[i] + value); };
  switch (filter) {
    case 0:
      return true;
    case 1:
      for (std::int64_t i = step; i < bytes; ++i) add(i, line[i - step]);
      return true;
    case 2:
      for (std::int64_t i = 0; above != nullptr && i < bytes; ++i) add(i, above[i]);
      return true;
    case 3:
      for (std::int64_t i = 0; i < bytes; ++i) add(i, ((i < step ? 0 : line[i - step]) + up(i)) / 2);
      return true;
    case 4:
      for (std::int64_t i = 0; i < bytes; ++i) add(i, i < step ? up(i) : paeth(line[i - step], up(i), i < step ? 0 : up(i - step)));
      return true;
    default:
      return false;
  }
}

/// Writes the labels of one row to every `step`-th place of `out`.
void unpack(const std::uint8_t* line, int depth, std::int64_t count, std::uint16_t* out, std::int64_t step) {
  if (depth == 8 && step == 1) {
    std::copy_n(line, count, out);
  } else if (depth == 16) {
    for (std::int64_t i = 0; i < count; ++i) out[i * step] = static_cast<std::uint16_t>(line[2 * i] << 8 | line[2 * i + 1]);
  } else {
    const std::int64_t each = 8 / depth;  // labels in a byte, the first in its highest bits
    const int mask = (1 << depth) - 1;
    for (std::int64_t i = 0; i < count; ++i)
      out[i * step] = static_cast<std::uint16_t>(line[i / each] >> (8 - depth - static_cast<int>(i % each) * depth) & mask);
  }
}

/// The colour map of PASCAL VOC's development kit: the bits of an index, three at a time, from the highest bit of each colour down.
std::array<std::uint8_t, 3 * 256> voc_colours() {
  std::array<std::uint8_t, 3 * 256> colours{};
  for (unsigned index = 0; index < 256; ++index)
    for (unsigned bit = 0; bit < 8; ++bit) colours[3 * index + bit % 3] |= static_cast<std::uint8_t>((index >> bit & 1) << (7 - bit / 3));
  return colours;
}

}  // namespace

void decode_labels(std::span<const std::byte> bytes, const std::string& name, Labels& out) {
  const PngFile file = open_png(bytes, name);
  const PngHeader& header = file.header;
  if (header.colour != PngColour::indexed && header.colour != PngColour::grey)
    fail(Exit::bad_data, "{}: a PNG with {} instead of indices (expected an indexed or grey PNG without alpha)", name,
         header.colour == PngColour::grey_alpha ? "transparency" : "colours");
  if (header.height > max_pixels / header.width)
    fail(Exit::bad_data, "{}: {} x {} are more pixels than an image may have", name, header.width, header.height);
  const std::span<const Pass> passes = header.interlaced ? std::span<const Pass>(adam7) : std::span<const Pass>(whole);
  std::int64_t size = 0;
  for (const Pass& pass : passes)
    if (!pass.empty(header)) size += pass.height(header) * (1 + pass.line(header));
  const auto rows = inflate_png(file, static_cast<std::size_t>(size), name);
  out.height = header.height, out.width = header.width;
  out.values.resize(static_cast<std::size_t>(header.height * header.width));
  const std::int64_t step = header.depth == 16 ? 2 : 1;
  std::uint8_t* at = rows.get();
  for (const Pass& pass : passes) {
    if (pass.empty(header)) continue;
    const std::int64_t bytes_a_line = pass.line(header);
    const std::uint8_t* above = nullptr;
    for (std::int64_t y = 0; y < pass.height(header); ++y) {
      std::uint8_t* line = at + 1;
      if (!unfilter(*at, line, above, bytes_a_line, step)) fail(Exit::bad_data, "{}: damaged PNG (filter {})", name, static_cast<int>(*at));
      std::uint16_t* to = out.values.data() + (pass.top + y * pass.step_y) * header.width + pass.left;
      unpack(line, header.depth, pass.width(header), to, pass.step_x);
      above = line;
      at += 1 + bytes_a_line;
    }
  }
}

void read_labels(const std::filesystem::path& path, Labels& out) { decode_labels(core::read_bytes(path), path.string(), out); }

std::vector<std::byte> encode_labels(const Labels& labels) {
  if (labels.height < 1 || labels.width < 1 || labels.values.size() != static_cast<std::size_t>(labels.height * labels.width))
    fail(Exit::internal, "{} labels are no image of {} x {}", labels.values.size(), labels.width, labels.height);
  const bool indexed = *std::max_element(labels.values.begin(), labels.values.end()) < 256;
  std::vector<std::uint8_t> rows;
  rows.reserve(labels.values.size() * (indexed ? 1 : 2) + static_cast<std::size_t>(labels.height));
  for (std::int64_t i = 0; i < labels.height * labels.width; ++i) {
    if (i % labels.width == 0) rows.push_back(0);  // no filter: neighbouring indices are not near in value
    const std::uint16_t label = labels.values[static_cast<std::size_t>(i)];
    if (!indexed) rows.push_back(static_cast<std::uint8_t>(label >> 8));
    rows.push_back(static_cast<std::uint8_t>(label));
  }
  static const std::array<std::uint8_t, 3 * 256> colours = voc_colours();
  const PngHeader header{
      .width = labels.width, .height = labels.height, .depth = indexed ? 8 : 16, .colour = indexed ? PngColour::indexed : PngColour::grey};
  return pack_png(header, rows, indexed ? std::span<const std::uint8_t>(colours) : std::span<const std::uint8_t>());
}

}  // namespace selfsight::data
