#include "data/jpeg.h"

#include "core/error.h"

#include <turbojpeg.h>

#include <cstring>
#include <memory>
#include <string_view>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

struct CloseTurbo {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, CloseTurbo>;

// One decompressor and one compressor a thread: making one costs more than decoding a small image.
tjhandle decompressor() {
  thread_local const Turbo handle(tjInitDecompress());
  if (!handle) fail(Exit::internal, "libjpeg-turbo: {}", tjGetErrorStr2(nullptr));
  return handle.get();
}

tjhandle compressor() {
  thread_local const Turbo handle(tjInitCompress());
  if (!handle) fail(Exit::internal, "libjpeg-turbo: {}", tjGetErrorStr2(nullptr));
  return handle.get();
}

// Damage that leaves part of the picture unknown. Stray bytes between segments, common in old archives, lose nothing.
bool lost_pixels(std::string_view warning) {
  if (warning.find("extraneous bytes") != std::string_view::npos) return false;
  return warning.find("Premature end") != std::string_view::npos || warning.find("Corrupt JPEG data") != std::string_view::npos;
}

std::uint32_t number(const std::uint8_t* at, int bytes, bool little) {
  std::uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint32_t>(at[i]) << (8 * (little ? i : bytes - 1 - i));
  return value;
}

// `tiff`: what follows "Exif\0\0" in its segment.
int exif_orientation(std::span<const std::uint8_t> tiff) {
  if (tiff.size() < 8) return 1;
  const bool little = tiff[0] == 'I';
  const std::uint64_t directory = number(&tiff[4], 4, little);
  if (directory + 2 > tiff.size()) return 1;
  const std::uint32_t entries = number(&tiff[directory], 2, little);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    if (number(&tiff[at], 2, little) != 0x0112) continue;
    const std::uint32_t value = number(&tiff[at + 8], 2, little);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xFF} && bytes[1] == std::byte{0xD8} && bytes[2] == std::byte{0xFF};
}

JpegMarks jpeg_marks(std::span<const std::byte> bytes) {
  JpegMarks marks;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    if (data[at] != 0xFF) break;
    const std::uint8_t marker = data[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;  // picture data begins
    const std::size_t length = number(data + at + 2, 2, false);
    if (length < 2 || at + 2 + length > bytes.size()) break;
    const std::span<const std::uint8_t> body(data + at + 4, length - 2);
    if (marker == 0xE1 && body.size() > 6 && std::memcmp(body.data(), "Exif\0", 6) == 0)
      marks.orientation = exif_orientation(body.subspan(6));
    if (marker == 0xEE && body.size() >= 12 && std::memcmp(body.data(), "Adobe", 5) == 0) marks.adobe = true;
    at += 2 + length;
  }
  return marks;
}

void turn_upright(Image& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return;
  const bool swapped = orientation >= 5;
  const std::int64_t h = image.height, w = image.width, c = image.channels;
  Image out(swapped ? w : h, swapped ? h : w, c);
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (std::int64_t x = 0; x < out.width; ++x, to += c) {
      std::int64_t sy = swapped ? x : y, sx = swapped ? y : x;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) sx = w - 1 - sx;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) sy = h - 1 - sy;
      std::memcpy(to, image.row(sy) + sx * c, static_cast<std::size_t>(c));
    }
  }
  image = std::move(out);
}

void decode_jpeg(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, Image& out) {
  const tjhandle turbo = decompressor();
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, space = 0;
  if (tjDecompressHeader3(turbo, data, bytes.size(), &width, &height, &sampling, &space) != 0 && tjGetErrorCode(turbo) == TJERR_FATAL) {
    fail(Exit::bad_data, "{}: not a JPEG that can be read: {}", name, tjGetErrorStr2(turbo));
  }
  if (static_cast<std::int64_t>(width) * height > max_pixels) {
    fail(Exit::bad_data, "{}: {} x {} pixels are more than the {} that an image may have", name, width, height, max_pixels);
  }
  const JpegMarks marks = jpeg_marks(bytes);
  const bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
  thread_local std::vector<std::uint8_t> inks;
  unsigned char* to = nullptr;
  out.reshape(height, width, channels);
  if (cmyk) {
    inks.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 4);
    to = inks.data();
  } else {
    to = out.pixels.data();
  }
  const int format = cmyk ? TJPF_CMYK : channels == 1 ? TJPF_GRAY : TJPF_RGB;
  if (tjDecompress2(turbo, data, bytes.size(), to, width, 0, height, format, 0) != 0) {
    const std::string_view why = tjGetErrorStr2(turbo);
    if (tjGetErrorCode(turbo) == TJERR_FATAL || lost_pixels(why)) fail(Exit::bad_data, "{}: damaged or truncated JPEG: {}", name, why);
  }
  if (cmyk) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(height) * static_cast<std::size_t>(width); ++i) {
      int ink[4];
      for (int k = 0; k < 4; ++k) ink[k] = marks.adobe ? inks[4 * i + k] : 255 - inks[4 * i + k];
      int rgb[3];
      for (int k = 0; k < 3; ++k) rgb[k] = (ink[k] * ink[3] + 127) / 255;
      if (channels == 1) {
        out.pixels[i] = luma(rgb[0], rgb[1], rgb[2]);
      } else {
        for (int k = 0; k < 3; ++k) out.pixels[3 * i + k] = static_cast<std::uint8_t>(rgb[k]);
      }
    }
  }
  turn_upright(out, marks.orientation);
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  const tjhandle turbo = compressor();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool grey = image.channels == 1;
  const int failed = tjCompress2(turbo, image.pixels.data(), static_cast<int>(image.width), 0, static_cast<int>(image.height),
                                 grey ? TJPF_GRAY : TJPF_RGB, &bytes, &size, grey ? TJSAMP_GRAY : TJSAMP_420, quality, 0);
  const std::unique_ptr<unsigned char, decltype(&tjFree)> holder(bytes, &tjFree);
  if (failed != 0) fail(Exit::internal, "JPEG encoder: {}", tjGetErrorStr2(turbo));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  return {begin, begin + size};
}

}  // namespace selfsight::data
