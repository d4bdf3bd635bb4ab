#include "data/tar.h"

#include "core/error.h"
#include "core/files.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

constexpr std::size_t block = tar_block;
constexpr std::uint64_t longest_header = 1 << 16;  // of records about the next entry
constexpr std::size_t longest_name = 4096;         // no system has longer paths

std::string_view text_field(std::span<const std::byte> header, std::size_t at, std::size_t length) {
  const auto* begin = reinterpret_cast<const char*>(header.data()) + at;
  return {begin, strnlen(begin, length)};
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Octal digits, or, with the first bit set, a binary number (GNU, sizes from 8 GiB on). What 64 bits do not hold is their largest number.
std::uint64_t number_field(std::span<const std::byte> header, std::size_t at, std::size_t length, const fs::path& archive,
                           std::uint64_t where) {
  std::uint64_t value = 0;
  if ((header[at] & std::byte{0x80}) != std::byte{0}) {
    const bool fits = header[at] == std::byte{0x80} && (length <= 8 || all_zero(header.subspan(at + 1, length - 9)));
    if (!fits) return std::numeric_limits<std::uint64_t>::max();
    for (std::size_t i = length > 8 ? length - 8 : 1; i < length; ++i) value = value << 8 | std::to_integer<std::uint64_t>(header[at + i]);
    return value;
  }
  for (const char c : text_field(header, at, length)) {
    if (c == ' ') continue;
    if (c < '0' || c > '7') fail(Exit::bad_data, "{}: no tar archive, or damaged at byte {}", archive.string(), where);
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::uint64_t checksum(std::span<const std::byte> header) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? std::uint64_t{' '} : std::to_integer<std::uint64_t>(header[i]);
  return sum;
}

// The records "length key=value\n" of a pax header that matter here.
struct Pax {
  std::string path;
  bool has_size = false, sparse = false;
  std::uint64_t size = 0;
};

Pax parse_pax(std::string_view body, const fs::path& archive) {
  Pax pax;
  while (!body.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(body.data(), body.data() + body.size(), length);
    const auto digits = static_cast<std::size_t>(end - body.data());
    if (error != std::errc() || length <= digits + 1 || length > body.size())
      fail(Exit::bad_data, "{}: damaged pax header", archive.string());
    const std::string_view record = body.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) fail(Exit::bad_data, "{}: damaged pax header", archive.string());
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") pax.path = value;
    if (key.starts_with("GNU.sparse.")) pax.sparse = true;
    if (key == "size") {
      pax.has_size = true;
      if (std::from_chars(value.data(), value.data() + value.size(), pax.size).ec != std::errc())
        fail(Exit::bad_data, "{}: damaged pax header", archive.string());
    }
    body.remove_prefix(length);
  }
  return pax;
}

void put_octal(std::byte* at, std::size_t digits, std::uint64_t value) {
  for (std::size_t i = digits; i-- > 0; value >>= 3) at[i] = static_cast<std::byte>('0' + static_cast<char>(value & 7));
}

void put_header(std::vector<std::byte>& out, std::string_view name, std::uint64_t size, char type) {
  const std::size_t begin = out.size();
  out.resize(begin + block);
  std::byte* header = &out[begin];
  std::memcpy(header, name.data(), std::min<std::size_t>(name.size(), 100));
  put_octal(header + 100, 7, 0644);
  put_octal(header + 108, 7, 0);
  put_octal(header + 116, 7, 0);
  if (size < std::uint64_t{1} << 33) {
    put_octal(header + 124, 11, size);
  } else {
    header[124] = std::byte{0x80};
    for (std::size_t i = 0; i < 8; ++i) header[128 + i] = static_cast<std::byte>(size >> (56 - 8 * i));
  }
  put_octal(header + 136, 11, 0);
  header[156] = static_cast<std::byte>(type);
  std::memcpy(header + 257, "ustar\00000", 8);
  put_octal(header + 148, 6, checksum({header, block}));
  header[155] = std::byte{' '};
}

}  // namespace

std::size_t tar_padding(std::uint64_t size) { return static_cast<std::size_t>((block - size % block) % block); }

std::vector<TarEntry> list_tar(std::span<const std::byte> bytes, const fs::path& archive) {
  std::vector<TarEntry> entries;
  std::string long_name;
  Pax pax;
  for (std::uint64_t at = 0; at + block <= bytes.size();) {
    const std::span<const std::byte> header = bytes.subspan(at, block);
    if (all_zero(header)) {
      // What follows would be left out without a word.
      if (!all_zero(bytes.subspan(at)))
        fail(Exit::bad_data, "{}: goes on behind its end mark at byte {}: archives joined into one, which must be given one by one",
             archive.string(), at);
      return entries;
    }
    if (number_field(header, 148, 8, archive, at) != checksum(header)) {
      fail(Exit::bad_data, "{}: no tar archive, or damaged at byte {} (checksum)", archive.string(), at);
    }
    std::uint64_t size = number_field(header, 124, 12, archive, at);
    const char type = static_cast<char>(header[156]);
    std::string name(text_field(header, 0, 100));
    if (text_field(header, 257, 5) == "ustar" && header[262] == std::byte{0} && header[345] != std::byte{0}) {
      name.insert(0, std::string(text_field(header, 345, 155)).append("/"));
    }
    const bool describes = type == 'x' || type == 'g' || type == 'L' || type == 'K';  // another entry
    if (pax.has_size && !describes) size = pax.size;
    const std::uint64_t body = at + block;
    if (size > bytes.size() - body) {
      fail(Exit::bad_data, "{}: truncated: entry '{}' at byte {} has {} bytes, {} are left", archive.string(), name, at, size,
           bytes.size() - body);
    }
    at = body + size + tar_padding(size);
    if (describes) {
      if (size > longest_header) fail(Exit::bad_data, "{}: a header of {} bytes about the next entry", archive.string(), size);
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + body, static_cast<std::size_t>(size));
      if (type == 'L') long_name = text.substr(0, text.find('\0'));
      if (type == 'x') pax = parse_pax(text, archive);
      continue;
    }
    if (!pax.path.empty()) name = pax.path;
    if (!long_name.empty()) name = long_name;
    if (name.size() > longest_name)
      fail(Exit::bad_data, "{}: entry '{}...' has a name of {} bytes", archive.string(), name.substr(0, 40), name.size());
    if (type == 'S' || pax.sparse)
      fail(Exit::bad_data, "{}: entry '{}' is stored with its holes left out (tar --sparse), which cannot be read in place",
           archive.string(), name);
    pax = {};
    long_name.clear();
    const bool folder = type == '5';
    if (!folder && type != '0' && type != '\0' && type != '7') continue;
    while (folder && name.ends_with('/')) name.pop_back();
    if (folder && (name == "." || name.empty())) continue;
    if (name.starts_with("./")) name.erase(0, 2);
    entries.push_back({core::safe_entry(name, archive).string(), folder, body, size});
  }
  fail(Exit::bad_data, "{}: truncated: it ends after {} bytes without an end mark", archive.string(), bytes.size());
}

std::vector<std::byte> tar_header(const std::string& name, std::uint64_t size) {
  std::vector<std::byte> out;
  if (name.size() > 100) {
    put_header(out, "././@LongLink", name.size() + 1, 'L');
    const auto* letters = reinterpret_cast<const std::byte*>(name.c_str());
    out.insert(out.end(), letters, letters + name.size() + 1);
    out.resize(out.size() + tar_padding(name.size() + 1));
  }
  put_header(out, name, size, '0');
  return out;
}

}  // namespace selfsight::data
