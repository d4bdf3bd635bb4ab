#include "data/image.h"

#include "core/error.h"
#include "data/codecs.h"
#include "data/jpeg.h"
#include "data/png.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

void decode_pixels(const Stored& stored, std::int64_t channels, const std::string& name, Image& out) {
  const std::int64_t area = stored.height * stored.width;
  if (static_cast<std::int64_t>(stored.bytes.size()) != area * stored.channels) {
    fail(Exit::bad_data, "{}: {} bytes, expected {} x {} x {}", name, stored.bytes.size(), stored.height, stored.width, stored.channels);
  }
  out.reshape(stored.height, stored.width, channels);
  const auto* from = reinterpret_cast<const std::uint8_t*>(stored.bytes.data());
  std::uint8_t* to = out.pixels.data();
  const std::int64_t step = stored.planar ? 1 : stored.channels, plane = stored.planar ? area : 1;
  if (stored.channels == channels && (channels == 1 || !stored.planar)) {
    std::memcpy(to, from, out.pixels.size());
  } else if (stored.channels == 1) {
    for (std::int64_t i = 0; i < area; ++i) to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = from[i];
  } else if (channels == 3) {
    for (std::int64_t i = 0; i < area; ++i) {
      for (std::int64_t k = 0; k < 3; ++k) to[3 * i + k] = from[i * step + k * plane];
    }
  } else {
    for (std::int64_t i = 0; i < area; ++i) to[i] = luma(from[i * step], from[i * step + plane], from[i * step + 2 * plane]);
  }
}

// "P5" or "P6", width, height and 255 in text, one white space, pixels. What is less plain (comments, 16 bits) is left to others.
bool decode_pnm(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, Image& out) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 40));
  if (!text.starts_with("P5") && !text.starts_with("P6")) return false;
  std::int64_t numbers[3] = {0, 0, 0};
  std::size_t at = 2;
  for (std::int64_t& number : numbers) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) ++at;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
    if (error != std::errc()) return false;
    at = static_cast<std::size_t>(end - text.data());
  }
  const std::int64_t width = numbers[0], height = numbers[1], most = numbers[2];
  if (width < 1 || height < 1 || most != 255 || width > max_pixels || height > max_pixels / width) return false;
  Stored stored;
  stored.height = height;
  stored.width = width;
  stored.channels = text[1] == '5' ? 1 : 3;
  const auto pixels = static_cast<std::size_t>(width * height * stored.channels);
  if (bytes.size() < at + 1 + pixels) fail(Exit::bad_data, "{}: truncated: {} bytes for {} x {} pixels", name, bytes.size(), height, width);
  stored.bytes = bytes.subspan(at + 1, pixels);
  decode_pixels(stored, channels, name, out);
  return true;
}

}  // namespace

void decode_into(const Stored& stored, std::int64_t channels, const std::string& name, Image& out) {
  decode_part(stored, channels, name, {{0, 0, max_pixels, max_pixels}}, out);
}

Part decode_part(const Stored& stored, std::int64_t channels, const std::string& name, const Part& wanted, Image& out) {
  if (channels != 1 && channels != 3) fail(Exit::internal, "{}: images have 1 or 3 channels, not {}", name, channels);
  if (stored.bytes.empty()) fail(Exit::bad_data, "{}: empty", name);
  if (stored.height == 0 && is_jpeg(stored.bytes)) return decode_jpeg(stored.bytes, channels, name, wanted, out);
  if (stored.height > 0) {
    decode_pixels(stored, channels, name, out);
  } else if (!decode_pnm(stored.bytes, channels, name, out)) {
    decode_other(stored.bytes, channels, name, out);
  }
  return {{0, 0, out.width, out.height}};
}

std::optional<Size> size_before_decoding(const Stored& stored) {
  if (stored.height > 0 || !is_jpeg(stored.bytes)) return std::nullopt;
  const JpegMarks marks = jpeg_marks(stored.bytes);
  if (marks.height == 0 || marks.width == 0) return std::nullopt;
  return Size{marks.height, marks.width};
}

Image decode(const Stored& stored, std::int64_t channels, const std::string& name) {
  Image out;
  decode_into(stored, channels, name, out);
  return out;
}

std::vector<std::byte> encode_pnm(const Image& image) {
  const std::string head = fmt::format("P{}\n{} {}\n255\n", image.channels == 1 ? 5 : 6, image.width, image.height);
  const auto* letters = reinterpret_cast<const std::byte*>(head.data());
  const auto* pixels = reinterpret_cast<const std::byte*>(image.pixels.data());
  std::vector<std::byte> out(letters, letters + head.size());
  out.insert(out.end(), pixels, pixels + image.pixels.size());
  return out;
}

std::vector<std::byte> encode_png(const Image& image) {
  // Every row begins with its filter; 1 (difference to the left pixel) suits photographs and costs one pass.
  const std::int64_t line = image.width * image.channels;
  std::vector<std::uint8_t> raw;
  raw.reserve(static_cast<std::size_t>(image.height * (line + 1)));
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.row(y);
    raw.push_back(1);
    for (std::int64_t x = 0; x < line; ++x)
      raw.push_back(static_cast<std::uint8_t>(row[x] - (x < image.channels ? 0 : row[x - image.channels])));
  }
  const PngColour colour = image.channels == 1 ? PngColour::grey : PngColour::rgb;
  return pack_png({.width = image.width, .height = image.height, .colour = colour}, raw);
}

}  // namespace selfsight::data
