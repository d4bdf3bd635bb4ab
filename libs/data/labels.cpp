#include "data/labels.h"

#include "core/error.h"
#include "core/files.h"
#include "data/image.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

namespace selfsight::data {

namespace {

using core::Exit;
using core::fail;

/// What libpng's callbacks see.
struct Stream {
  std::span<const std::byte> in;
  std::vector<std::byte> out;
  std::array<char, 160> message{};
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* stream = static_cast<Stream*>(png_get_error_ptr(png));
  std::strncpy(stream->message.data(), message, stream->message.size() - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}  // of chunks that say nothing about the labels

void read_from(png_structp png, png_bytep to, std::size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  if (count > stream->in.size()) png_error(png, "truncated");
  std::memcpy(to, stream->in.data(), count);
  stream->in = stream->in.subspan(count);
}
void write_to(png_structp png, png_bytep from, std::size_t count) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  const auto* bytes = reinterpret_cast<const std::byte*>(from);
  stream->out.insert(stream->out.end(), bytes, bytes + count);
}

// libpng reports errors by longjmp, which must not pass over destructors: the functions that it leaves hold nothing but plain values.
// Each returns false after an error.

bool read_header(png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  // The size is judged here against max_pixels instead of libpng's own bound on a side.
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(png, info);
  return true;
}

bool read_rows(png_structp png, png_infop info, png_bytep* rows) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_packing(png);  // one label a byte; values stay as they are
  if (std::endian::native == std::endian::little) png_set_swap(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

struct Reader {
  png_structp png;
  png_infop info;
  explicit Reader(Stream& stream) : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream, on_error, on_warning)) {
    info = png == nullptr ? nullptr : png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_read_struct(&png, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png, &stream, read_from);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

struct Writer {
  png_structp png;
  png_infop info;
  explicit Writer(Stream& stream) : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &stream, on_error, on_warning)) {
    info = png == nullptr ? nullptr : png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_write_struct(&png, nullptr);
      throw std::bad_alloc();
    }
    png_set_write_fn(png, &stream, write_to, nullptr);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

/// The colour map of PASCAL VOC's development kit: the bits of an index, three at a time, from the highest bit of each colour down.
std::array<png_color, 256> voc_colours() {
  std::array<png_color, 256> colours{};
  for (unsigned index = 0; index < 256; ++index) {
    unsigned red = 0, green = 0, blue = 0;
    for (unsigned level = 0; level < 8; ++level) {
      const unsigned bits = 3 * level < 8 ? index >> (3 * level) : 0;
      red |= (bits & 1) << (7 - level);
      green |= (bits >> 1 & 1) << (7 - level);
      blue |= (bits >> 2 & 1) << (7 - level);
    }
    colours[index] = {static_cast<png_byte>(red), static_cast<png_byte>(green), static_cast<png_byte>(blue)};
  }
  return colours;
}

bool write_image(Writer& writer, png_uint_32 width, png_uint_32 height, bool indexed, const png_color* colours, png_bytep* rows) {
  if (setjmp(png_jmpbuf(writer.png)) != 0) return false;
  png_set_IHDR(writer.png, writer.info, width, height, indexed ? 8 : 16, indexed ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (indexed) png_set_PLTE(writer.png, writer.info, colours, 256);
  png_set_filter(writer.png, 0, PNG_FILTER_NONE);
  png_write_info(writer.png, writer.info);
  if (!indexed && std::endian::native == std::endian::little) png_set_swap(writer.png);
  png_write_image(writer.png, rows);
  png_write_end(writer.png, nullptr);
  return true;
}

std::vector<png_bytep> row_pointers(png_bytep first, std::int64_t height, std::size_t stride) {
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = first + y * stride;
  return rows;
}

}  // namespace

void decode_labels(std::span<const std::byte> bytes, const std::string& name, Labels& out) {
  if (bytes.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0)
    fail(Exit::bad_data, "{}: {} (expected an indexed or grey PNG)", name, bytes.empty() ? "is empty" : "is no PNG");
  Stream stream{.in = bytes};
  Reader reader(stream);
  const auto damaged = [&] { fail(Exit::bad_data, "{}: damaged PNG ({})", name, stream.message.data()); };
  if (!read_header(reader.png, reader.info)) damaged();
  const int type = png_get_color_type(reader.png, reader.info), depth = png_get_bit_depth(reader.png, reader.info);
  if (type != PNG_COLOR_TYPE_PALETTE && type != PNG_COLOR_TYPE_GRAY)
    fail(Exit::bad_data, "{}: a PNG with {} instead of indices (expected an indexed or grey PNG without alpha)", name,
         type == PNG_COLOR_TYPE_GRAY_ALPHA ? "transparency" : "colours");
  const std::int64_t height = png_get_image_height(reader.png, reader.info), width = png_get_image_width(reader.png, reader.info);
  if (height > max_pixels / width) fail(Exit::bad_data, "{}: {} x {} are more pixels than an image may have", name, width, height);
  out.height = height, out.width = width;
  out.values.resize(static_cast<std::size_t>(height * width));
  if (depth == 16) {
    auto rows = row_pointers(reinterpret_cast<png_bytep>(out.values.data()), height, 2 * static_cast<std::size_t>(width));
    if (!read_rows(reader.png, reader.info, rows.data())) damaged();
    return;
  }
  const auto narrow = std::make_unique_for_overwrite<std::uint8_t[]>(out.values.size());
  auto rows = row_pointers(narrow.get(), height, static_cast<std::size_t>(width));
  if (!read_rows(reader.png, reader.info, rows.data())) damaged();
  std::copy_n(narrow.get(), out.values.size(), out.values.begin());
}

void read_labels(const std::filesystem::path& path, Labels& out) { decode_labels(core::read_bytes(path), path.string(), out); }

std::vector<std::byte> encode_labels(const Labels& labels) {
  static const std::array<png_color, 256> colours = voc_colours();
  const bool indexed = labels.values.empty() || *std::max_element(labels.values.begin(), labels.values.end()) < 256;
  if (labels.height < 1 || labels.width < 1 || labels.values.size() != static_cast<std::size_t>(labels.height * labels.width))
    fail(Exit::internal, "{} labels are no image of {} x {}", labels.values.size(), labels.width, labels.height);
  Stream stream;
  Writer writer(stream);
  std::vector<std::uint8_t> narrow(indexed ? labels.values.size() : 0);
  std::transform(labels.values.begin(), labels.values.begin() + static_cast<std::ptrdiff_t>(narrow.size()), narrow.begin(),
                 [](std::uint16_t label) { return static_cast<std::uint8_t>(label); });
  // libpng takes rows that it could change, and does not.
  auto* first = indexed ? narrow.data() : reinterpret_cast<png_bytep>(const_cast<std::uint16_t*>(labels.values.data()));
  auto rows = row_pointers(first, labels.height, static_cast<std::size_t>(labels.width) * (indexed ? 1 : 2));
  if (!write_image(writer, static_cast<png_uint_32>(labels.width), static_cast<png_uint_32>(labels.height), indexed, colours.data(),
                   rows.data()))
    fail(Exit::internal, "libpng could not write labels: {}", stream.message.data());
  return std::move(stream.out);
}

}  // namespace selfsight::data
