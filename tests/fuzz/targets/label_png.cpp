// Label images. A checksum stands behind every part of a PNG, and no random change gets past it: they are put right first.
#include "data/labels.h"
#include "data/png.h"
#include "fuzz/target.h"

#include <libdeflate.h>

namespace selfsight::fuzz {
namespace {

std::string with_checksums(Bytes bytes) {
  std::string out(text_of(bytes));
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(out[at + i]);
    return value;
  };
  for (std::size_t at = 8; at + 12 <= out.size() && number(at) <= out.size() - at - 12;) {
    const std::size_t length = number(at), sum = at + 8 + length;
    const std::uint32_t right = libdeflate_crc32(0, out.data() + at + 4, 4 + length);
    for (std::size_t i = 0; i < 4; ++i) out[sum + i] = static_cast<char>(right >> (24 - 8 * i));
    at += 12 + length;
  }
  return out;
}

}  // namespace

void try_input(Bytes bytes) {
  const std::string text = with_checksums(bytes);
  attempt([&] {
    // The bound of an image is 2^28 pixels; here time and memory are smaller.
    constexpr std::int64_t most = 1 << 20;
    const data::PngHeader header = data::open_png(bytes_of(text), "labels").header;
    if (header.height > most / header.width) return;
    data::Labels labels;
    data::decode_labels(bytes_of(text), "labels", labels);
    touch(std::span(labels.values));
  });
}

}  // namespace selfsight::fuzz
