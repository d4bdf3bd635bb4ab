// Things that tests of sources need: pictures that tell which one they are, files around them, and what a source gives back.
#pragma once

#include "core/rng.h"
#include "data/source.h"
#include "unit/support.h"

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::data {

using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;
/// Path and content; a path that ends in '/' is a folder.
using Files = std::vector<std::pair<std::string, std::string>>;

inline std::string random_bytes(std::size_t count, std::uint64_t seed) {
  core::Rng rng(seed, core::Stream::test);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(rng.below(256));
  return out;
}

/// An image of random pixels.
inline Image noise(std::uint64_t seed, std::int64_t height = 3, std::int64_t width = 4) {
  Image image(height, width, 3);
  core::Rng rng(seed, core::Stream::test);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

inline std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// A PPM that tells which one it is.
inline std::string picture(std::uint64_t number) { return text_of(encode_pnm(noise(number))); }

inline std::string content_of(const Source& source, std::int64_t index) { return text_of(source.read(index).bytes); }

inline void write_files(const std::filesystem::path& root, const Files& files) {
  for (const auto& [path, content] : files) {
    std::filesystem::create_directories((root / path).parent_path());
    if (!path.ends_with('/')) test::write_plainly(root / path, content);
  }
}

inline void write_gzip(const std::filesystem::path& path, const std::string& text) {
  const gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(gzwrite(file, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
  REQUIRE(gzclose(file) == Z_OK);
}

}  // namespace selfsight::data
