#include "data/png.h"

#include "core/error.h"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace selfsight::data {

namespace {

using core::Exit;
using core::fail;

constexpr std::array<std::uint8_t, 8> signature{0x89, 'P', 'N', 'G', 13, 10, 26, 10};

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint32_t>(bytes[at + i]);
  return value;
}

void append_number(std::vector<std::byte>& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift));
}

void append_chunk(std::vector<std::byte>& out, const char* type, std::span<const std::byte> body) {
  append_number(out, static_cast<std::uint32_t>(body.size()));
  const std::size_t begin = out.size();
  const auto* letters = reinterpret_cast<const std::byte*>(type);
  out.insert(out.end(), letters, letters + 4);
  out.insert(out.end(), body.begin(), body.end());
  append_number(out, libdeflate_crc32(0, &out[begin], out.size() - begin));
}

bool depth_fits(int depth, PngColour colour) {
  const bool power = depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
  switch (colour) {
    case PngColour::grey:
      return power;
    case PngColour::indexed:
      return power && depth <= 8;
    case PngColour::rgb:
    case PngColour::grey_alpha:
    case PngColour::rgb_alpha:
      return depth == 8 || depth == 16;
  }
  return false;
}

PngHeader header_of(std::span<const std::byte> body, const std::string& name) {
  if (body.size() != 13) fail(Exit::bad_data, "{}: damaged PNG (a header of {} bytes)", name, body.size());
  const PngHeader header{.width = number_at(body, 0),
                         .height = number_at(body, 4),
                         .depth = static_cast<int>(body[8]),
                         .colour = static_cast<PngColour>(body[9]),
                         .interlaced = body[12] == std::byte{1}};
  constexpr std::int64_t longest = 0x7fffffff;
  const bool side = header.width >= 1 && header.height >= 1 && header.width <= longest && header.height <= longest;
  if (!side || !depth_fits(header.depth, header.colour) || body[10] != std::byte{0} || body[11] != std::byte{0} || body[12] > std::byte{1})
    fail(Exit::bad_data, "{}: damaged PNG (a header that means nothing)", name);
  return header;
}

}  // namespace

bool is_png(std::span<const std::byte> bytes) {
  return bytes.size() >= signature.size() && std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

PngFile open_png(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.empty()) fail(Exit::bad_data, "{}: is empty", name);
  if (!is_png(bytes)) fail(Exit::bad_data, "{}: is no PNG", name);
  PngFile out;
  bool headed = false;
  for (std::size_t at = signature.size();;) {
    // Length, type, body, checksum of type and body.
    const std::size_t left = bytes.size() - at;
    if (left < 12 || number_at(bytes, at) > left - 12) fail(Exit::bad_data, "{}: damaged PNG (cut)", name);
    const std::size_t length = number_at(bytes, at);
    const std::span<const std::byte> named = bytes.subspan(at + 4, 4 + length), body = named.subspan(4);
    const std::string_view type(reinterpret_cast<const char*>(named.data()), 4);
    at += 12 + length;
    if ((type == "IHDR") == headed) fail(Exit::bad_data, "{}: damaged PNG (not one header, in front)", name);
    // What starts with a small letter may be ignored, whatever it is.
    if (type[0] >= 'a' && type[0] <= 'z') continue;
    if (libdeflate_crc32(0, named.data(), named.size()) != number_at(bytes, at - 4))
      fail(Exit::bad_data, "{}: damaged PNG (checksum of {})", name, type);
    if (type == "IEND") break;
    if (type == "IHDR") {
      out.header = header_of(body, name);
      headed = true;
    } else if (type == "IDAT") {
      if (!out.data.empty() && out.joined.empty()) out.joined.assign(out.data.begin(), out.data.end());
      if (!out.data.empty()) out.joined.insert(out.joined.end(), body.begin(), body.end());
      out.data = out.joined.empty() ? body : std::span<const std::byte>(out.joined);
    } else if (type != "PLTE") {
      fail(Exit::bad_data, "{}: damaged PNG (an unknown part)", name);
    }
  }
  return out;
}

std::unique_ptr<std::uint8_t[]> inflate_png(const PngFile& file, std::size_t size, const std::string& name) {
  constexpr std::size_t best_ratio = 1032;  // of deflate
  if (size / best_ratio > file.data.size()) fail(Exit::bad_data, "{}: damaged PNG (too little image data)", name);
  thread_local const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (inflater == nullptr) throw std::bad_alloc();
  auto rows = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  std::size_t read = 0, made = 0;
  const auto result = libdeflate_zlib_decompress_ex(inflater.get(), file.data.data(), file.data.size(), rows.get(), size, &read, &made);
  if (result != LIBDEFLATE_SUCCESS || made != size) fail(Exit::bad_data, "{}: damaged PNG (image data)", name);
  return rows;
}

std::vector<std::byte> pack_png(const PngHeader& header, std::span<const std::uint8_t> rows, std::span<const std::uint8_t> palette) {
  uLongf size = compressBound(rows.size());
  std::vector<std::byte> packed(size);
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size, rows.data(), rows.size(), 6) != Z_OK)
    fail(Exit::internal, "zlib could not pack a PNG");
  packed.resize(size);

  std::vector<std::byte> out, head;
  for (const std::uint8_t c : signature) out.push_back(static_cast<std::byte>(c));
  append_number(head, static_cast<std::uint32_t>(header.width));
  append_number(head, static_cast<std::uint32_t>(header.height));
  for (const int c : {header.depth, static_cast<int>(header.colour), 0, 0, 0}) head.push_back(static_cast<std::byte>(c));
  append_chunk(out, "IHDR", head);
  if (!palette.empty()) append_chunk(out, "PLTE", std::as_bytes(palette));
  append_chunk(out, "IDAT", packed);
  append_chunk(out, "IEND", {});
  return out;
}

}  // namespace selfsight::data
