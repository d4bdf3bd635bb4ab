#include "data/jpeg.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include <jpeglib.h>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

// Damage that leaves part of the picture unknown. Stray bytes between segments, common in old archives, lose nothing.
bool lost_pixels(std::string_view warning) {
  if (warning.find("extraneous bytes") != std::string_view::npos) return false;
  return warning.find("Premature end") != std::string_view::npos || warning.find("Corrupt JPEG data") != std::string_view::npos;
}

// libjpeg reports a fatal error by a call that must not return, hence the jump; what it warns of is kept if it is serious.
struct Errors {
  jpeg_error_mgr manager;
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  bool damaged;

  static Errors& of(j_common_ptr info) { return *reinterpret_cast<Errors*>(info->err); }
  jpeg_error_mgr* set_up() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      info->err->format_message(info, of(info).message);
      std::longjmp(of(info).escape, 1);
    };
    manager.emit_message = [](j_common_ptr info, int level) {
      char text[JMSG_LENGTH_MAX];
      if (level >= 0 || of(info).damaged) return;
      info->err->format_message(info, text);
      if (!lost_pixels(text)) return;
      of(info).damaged = true;
      std::memcpy(of(info).message, text, sizeof text);
    };
    return &manager;
  }
  /// Whether `work` came to its end. It may hold nothing that needs a destructor.
  template <typename Work>
  bool survives(const Work& work) {
    message[0] = 0;
    damaged = false;
    if (setjmp(escape) != 0) return false;
    work();
    return true;
  }
};
static_assert(offsetof(Errors, manager) == 0, "the manager's address is the whole's");

// One decompressor a thread: making one costs more than decoding a small image.
struct Decompressor {
  jpeg_decompress_struct info{};
  Errors errors{};
  jpeg_progress_mgr progress{};
  Decompressor() {
    info.err = errors.set_up();
    if (!errors.survives([this] { jpeg_create_decompress(&info); })) fail(Exit::internal, "libjpeg: {}", errors.message);
    progress.progress_monitor = refuse_many_scans;
    info.progress = &progress;
  }
  /// Every scan goes over the whole picture, and some take a few bytes only: without a bound, a small file keeps a processor busy for
  /// hours.
  static void refuse_many_scans(j_common_ptr info) {
    constexpr int most = 500;  // encoders make ten or so
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= most) return;
    Errors& errors = Errors::of(info);
    std::snprintf(errors.message, sizeof errors.message, "more than %d scans", most);
    std::longjmp(errors.escape, 1);
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  static Decompressor& of_thread() {
    thread_local Decompressor one;
    return one;
  }
  /// Reads as far as the size; the decompressor is then to be used, or ended by jpeg_abort_decompress.
  void open(std::span<const std::byte> bytes, const std::string& name) {
    const bool read = errors.survives([&] {
      jpeg_abort_decompress(&info);
      jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_read_header(&info, TRUE);
    });
    if (!read) fail(Exit::bad_data, "{}: not a JPEG that can be read: {}", name, errors.message);
    if (static_cast<std::int64_t>(info.image_width) * info.image_height > max_pixels) {
      fail(Exit::bad_data, "{}: {} x {} pixels are more than the {} that an image may have", name, info.image_width, info.image_height,
           max_pixels);
    }
    // Huffman's codes take a bit at least for a block of 64 values, and no sampling has fewer blocks than one for 256 pixels: so much is
    // looked for before room is made for what a header claims.
    constexpr std::size_t most_a_byte = 256 * 8;
    const std::size_t pixels = std::size_t{info.image_width} * info.image_height;
    if (info.arith_code == 0 && pixels / most_a_byte > bytes.size())
      fail(Exit::bad_data, "{}: damaged or truncated JPEG: {} bytes cannot hold {} x {} pixels", name, bytes.size(), info.image_width,
           info.image_height);
  }
};

struct Compressor {
  jpeg_compress_struct info{};
  Errors errors{};
  Compressor() {
    info.err = errors.set_up();
    if (!errors.survives([this] { jpeg_create_compress(&info); })) fail(Exit::internal, "libjpeg: {}", errors.message);
  }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { jpeg_destroy_compress(&info); }
};

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

// The least and the end of a stretch of a line of `length` pixels that is reduced to a `reduce`th, with the neighbours that smooth chroma
// looks at.
struct Stretch {
  std::int64_t begin, end;
  Stretch(std::int64_t from, std::int64_t size, std::int64_t reduce, std::int64_t length)
      : begin(std::max<std::int64_t>(from / reduce - 2, 0)), end(std::min((from + size + reduce - 1) / reduce + 2, length)) {}
};

// Four inks to grey or colour; Adobe stores them inverted.
void mix_inks(const std::vector<std::uint8_t>& inks, bool inverted, Image& out) {
  for (std::size_t i = 0; i < inks.size() / 4; ++i) {
    int ink[4], rgb[3];
    for (std::size_t k = 0; k < 4; ++k) ink[k] = inverted ? inks[4 * i + k] : 255 - inks[4 * i + k];
    for (std::size_t k = 0; k < 3; ++k) rgb[k] = (ink[k] * ink[3] + 127) / 255;
    if (out.channels == 1) {
      out.pixels[i] = luma(rgb[0], rgb[1], rgb[2]);
    } else {
      for (std::size_t k = 0; k < 3; ++k) out.pixels[3 * i + k] = static_cast<std::uint8_t>(rgb[k]);
    }
  }
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{0xFF} && bytes[1] == std::byte{0xD8} && bytes[2] == std::byte{0xFF};
}

// Of one cut short, a part may decode without a word, so all of it must be tried.
bool has_end(std::span<const std::byte> bytes) {
  constexpr std::array end = {std::byte{0xFF}, std::byte{0xD9}};
  const auto last = bytes.last(std::min<std::size_t>(bytes.size(), 64));
  return std::search(last.begin(), last.end(), end.begin(), end.end()) != last.end();
}

JpegMarks jpeg_marks(std::span<const std::byte> bytes) {
  JpegMarks marks;
  bool jfif = false, named_rgb = false;
  int transform = -1;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (std::size_t at = 2; at + 4 <= bytes.size();) {
    if (data[at] != 0xFF) break;
    const std::uint8_t marker = data[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {  // marks without a length
      at += 2;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;  // picture data begins
    const std::size_t length = number(data + at + 2, 2, false);
    if (length < 2 || at + 2 + length > bytes.size()) break;
    const std::span<const std::uint8_t> body(data + at + 4, length - 2);
    if (marker == 0xE1 && body.size() > 6 && std::memcmp(body.data(), "Exif\0", 6) == 0)
      marks.orientation = exif_orientation(body.subspan(6));
    if (marker == 0xE0 && body.size() >= 5 && std::memcmp(body.data(), "JFIF", 5) == 0) jfif = true;
    if (marker == 0xEE && body.size() >= 12 && std::memcmp(body.data(), "Adobe", 5) == 0) {
      marks.adobe = true;
      transform = body[11];
    }
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame && body.size() >= 5) {
      marks.frame = marker;
      marks.precision = body[0];
      marks.height = number(&body[1], 2, false);
      marks.width = number(&body[3], 2, false);
      if (body.size() >= 6) marks.components = body[5];
      named_rgb = body.size() >= 15 && body[6] == 'R' && body[9] == 'G' && body[12] == 'B';
    }
    at += 2 + length;
  }
  if (marks.orientation >= 5) std::swap(marks.height, marks.width);
  // As libjpeg judges it.
  marks.rgb = marks.components == 3 && !jfif && (marks.adobe ? transform == 0 : named_rgb);
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

Part decode_jpeg(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, const Part& wanted, Image& out) {
  Decompressor& jpeg = Decompressor::of_thread();
  jpeg_decompress_struct& info = jpeg.info;
  jpeg.open(bytes, name);
  const std::int64_t height = info.image_height, width = info.image_width;
  const JpegMarks marks = jpeg_marks(bytes);
  // Crops are drawn by the size that was read beforehand.
  const bool turned = marks.orientation >= 5;
  if (marks.height > 0 && ((turned ? marks.width : marks.height) != height || (turned ? marks.height : marks.width) != width))
    fail(Exit::bad_data, "{}: a JPEG that gives its size in two ways", name);
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  const bool whole = cmyk || marks.orientation != 1 || !has_end(bytes);
  const Part asked = whole ? Part{{0, 0, width, height}} : wanted;

  info.out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  info.scale_num = static_cast<unsigned>(8 / asked.reduce);
  info.scale_denom = 8;
  thread_local std::vector<std::uint8_t> inks;
  // The buffers are made between the two halves, for neither may hold what needs a destructor.
  const auto check = [&](bool survived) {
    if (!survived || jpeg.errors.damaged) fail(Exit::bad_data, "{}: damaged or truncated JPEG: {}", name, jpeg.errors.message);
  };
  JDIMENSION left = 0, across = 0, top = 0, bottom = 0;
  check(jpeg.errors.survives([&] {
    jpeg_start_decompress(&info);
    const Stretch x(asked.box.x, asked.box.width, asked.reduce, info.output_width);
    const Stretch y(asked.box.y, asked.box.height, asked.reduce, info.output_height);
    left = static_cast<JDIMENSION>(x.begin), across = static_cast<JDIMENSION>(x.end - x.begin);
    top = static_cast<JDIMENSION>(y.begin), bottom = static_cast<JDIMENSION>(y.end);
    if (across < info.output_width) jpeg_crop_scanline(&info, &left, &across);
    if (top > 0) jpeg_skip_scanlines(&info, top);
  }));
  out.reshape(bottom - top, across, channels);
  if (cmyk) inks.resize(out.pixels.size() / static_cast<std::size_t>(channels) * 4);
  std::uint8_t* const first = cmyk ? inks.data() : out.pixels.data();
  const std::size_t stride = static_cast<std::size_t>(across) * (cmyk ? 4 : static_cast<std::size_t>(channels));
  check(jpeg.errors.survives([&] {
    while (info.output_scanline < bottom) {
      constexpr JDIMENSION most = 16;
      JSAMPROW rows[most];
      const JDIMENSION count = std::min(most, bottom - info.output_scanline);
      for (JDIMENSION i = 0; i < count; ++i) rows[i] = first + (info.output_scanline - top + i) * stride;
      jpeg_read_scanlines(&info, rows, count);
    }
    // The rest of the data may be damaged without harm to what was read.
    if (bottom == info.output_height && !jpeg.errors.damaged) jpeg_finish_decompress(&info);
  }));
  const std::int64_t r = asked.reduce, x = left * r, y = top * r;
  const Part held{{x, y, std::min<std::int64_t>((left + across) * r, width) - x, std::min<std::int64_t>(bottom * r, height) - y}, r};
  if (cmyk) mix_inks(inks, marks.adobe, out);
  if (marks.orientation == 1) return held;
  turn_upright(out, marks.orientation);
  return {{0, 0, out.width, out.height}};
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  Compressor jpeg;
  jpeg_compress_struct& info = jpeg.info;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool done = jpeg.errors.survives([&] {
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = static_cast<int>(image.channels);
    info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);  // chroma at half the side, 4:2:0
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      auto* row = const_cast<JSAMPROW>(image.row(info.next_scanline));  // only read
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
  });
  const std::unique_ptr<unsigned char, decltype(&std::free)> holder(bytes, &std::free);
  if (!done) fail(Exit::internal, "JPEG encoder: {}", jpeg.errors.message);
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  return {begin, begin + size};
}

}  // namespace selfsight::data
