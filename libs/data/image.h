// Images in memory: 8 bits a channel, rows of interleaved channels (height x width x channels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

struct Image {
  std::int64_t height = 0, width = 0, channels = 0;  ///< channels: 1 (grey) or 3 (RGB)
  std::vector<std::uint8_t> pixels;                  ///< height * width * channels

  Image() = default;
  Image(std::int64_t h, std::int64_t w, std::int64_t c) : height(h), width(w), channels(c), pixels(static_cast<std::size_t>(h * w * c)) {}
  /// Takes a new shape, keeping the buffer; the pixels are then unspecified.
  void reshape(std::int64_t h, std::int64_t w, std::int64_t c) {
    height = h, width = w, channels = c;
    pixels.resize(static_cast<std::size_t>(h * w * c));
  }
  [[nodiscard]] bool empty() const { return pixels.empty(); }
  std::uint8_t* row(std::int64_t y) { return pixels.data() + y * width * channels; }
  [[nodiscard]] const std::uint8_t* row(std::int64_t y) const { return pixels.data() + y * width * channels; }
};

/// Pixels that somebody else holds, in an image's layout: a place in a batch, say.
struct Pixels {
  std::int64_t height, width, channels;
  std::uint8_t* data;
  Pixels(std::int64_t h, std::int64_t w, std::int64_t c, std::uint8_t* at) : height(h), width(w), channels(c), data(at) {}
  /*implicit*/ Pixels(Image& image) : Pixels(image.height, image.width, image.channels, image.pixels.data()) {}
  [[nodiscard]] std::uint8_t* row(std::int64_t y) const { return data + y * width * channels; }
};

/// A sample's image as a source has it: encoded bytes of a file, or pixels of a binary set (then `height` > 0).
struct Stored {
  std::span<const std::byte> bytes;  ///< into `owned` or into a map that the source holds
  std::vector<std::byte> owned;
  std::int64_t height = 0, width = 0, channels = 0;  ///< > 0: `bytes` are pixels
  bool planar = false;                               ///< pixels come as whole planes (CIFAR) instead of interleaved
};

/// A box in pixels of a picture.
struct Box {
  std::int64_t x = 0, y = 0, width = 0, height = 0;
};

/// What an image holds of the picture that it was decoded from: `box`, every pixel of it standing for `reduce` x `reduce` of the picture's
/// (for fewer at the right and lower edge). The box begins at multiples of `reduce`.
struct Part {
  Box box;
  std::int64_t reduce = 1;  ///< 1, 2, 4 or 8
};

struct Size {
  std::int64_t height, width;
};

/// The most pixels one image may have (a guard against decompression bombs), 2^28.
inline constexpr std::int64_t max_pixels = std::int64_t{1} << 28;

/// Decodes to `channels` channels (1 or 3; grey is replicated, alpha dropped, 16 bits scaled down). JPEG by libjpeg-turbo with
/// EXIF orientation honoured; 8-bit PPM and PGM here, other formats through OpenCV, loaded when first needed. Thread-safe.
/// Error: bad_data naming `name` (empty, truncated, unknown format, more than max_pixels).
Image decode(const Stored& stored, std::int64_t channels, const std::string& name);
/// The same into an image whose buffer is used again.
void decode_into(const Stored& stored, std::int64_t channels, const std::string& name, Image& out);
/// Of a picture of which at least `wanted` is needed: as much of it, and as finely, as is cheap to decode. Returns what `out` holds. Damage
/// in what is left out may go unnoticed.
Part decode_part(const Stored& stored, std::int64_t channels, const std::string& name, const Part& wanted, Image& out);
/// The upright size of a picture that decode_part could make a part of; nothing where everything is decoded anyway.
std::optional<Size> size_before_decoding(const Stored& stored);
/// ITU-R 601-2 luma of a pixel, with PIL's rounding.
constexpr std::uint8_t luma(int red, int green, int blue) {
  return static_cast<std::uint8_t>((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16);
}

/// PPM (RGB) or PGM (grey) bytes: the pixels behind a short header, for sets of small images.
std::vector<std::byte> encode_pnm(const Image& image);
/// PNG bytes of an image. JPEG bytes at `quality` 1..100.
std::vector<std::byte> encode_png(const Image& image);
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace selfsight::data
