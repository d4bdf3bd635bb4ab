// The module behind data/codecs.h.
#include "data/codecs.h"

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <cstring>

namespace {

constexpr const char* too_large = "more pixels than an image may have";

std::int64_t big_endian(const unsigned char* at) {
  return static_cast<std::int64_t>(at[0]) << 24 | static_cast<std::int64_t>(at[1]) << 16 | static_cast<std::int64_t>(at[2]) << 8 | at[3];
}

// Bits of a pixel by the fields of a PNG's header; at least 1.
std::int64_t bits_of_pixel(unsigned char depth, unsigned char colour) {
  const std::int64_t channels = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
  return std::max<std::int64_t>(depth, 1) * channels;
}

// Why a PNG is not to be decoded, null if nothing speaks against it. OpenCV decodes one that breaks off as far as it goes, with a warning
// on stderr only, and takes the memory for a header's pixels before it looks for them.
const char* fault_of_png(const unsigned char* bytes, std::size_t size) {
  constexpr unsigned char magic[] = {0x89, 'P', 'N', 'G'};
  constexpr std::size_t headed = 33;  // with the whole of its first part, which is the header
  if (size < 8 || std::memcmp(bytes, magic, 4) != 0) return nullptr;
  if (size < headed) return "truncated PNG";
  const std::int64_t width = big_endian(bytes + 16), height = big_endian(bytes + 20);
  if (height > 0 && width > selfsight::data::max_pixels / height) return too_large;
  std::int64_t packed = 0;
  for (std::size_t at = 8; at + 12 <= size;) {
    const std::int64_t length = big_endian(bytes + at);
    if (std::memcmp(bytes + at + 4, "IDAT", 4) == 0) packed += length;
    if (std::memcmp(bytes + at + 4, "IEND", 4) == 0) {
      constexpr std::int64_t best_ratio = 1032;  // of deflate
      const bool enough = width * height * bits_of_pixel(bytes[24], bytes[25]) / 8 / best_ratio <= packed;
      return enough ? nullptr : "damaged PNG: too little image data for its size";
    }
    at += 12 + static_cast<std::size_t>(length);
  }
  return "truncated PNG";
}

}  // namespace

extern "C" const char* selfsight_decode_other(const void* bytes, std::size_t size, void* context,
                                              unsigned char* (*make)(void*, std::int64_t, std::int64_t, std::int64_t)) {
  try {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    if (size > std::size_t{1} << 30) return "larger than 1 GiB";
    if (const char* fault = fault_of_png(static_cast<const unsigned char*>(bytes), size)) return fault;
    const cv::Mat raw(1, static_cast<int>(size), CV_8UC1, const_cast<void*>(bytes));
    const cv::Mat image = cv::imdecode(raw, cv::IMREAD_ANYCOLOR);
    if (image.empty() || image.depth() != CV_8U || (image.channels() != 1 && image.channels() != 3)) {
      return "not an image in a known format, or damaged";
    }
    unsigned char* to = make(context, image.rows, image.cols, image.channels());
    if (to == nullptr) return too_large;
    const std::size_t line = image.elemSize() * static_cast<std::size_t>(image.cols);
    for (int y = 0; y < image.rows; ++y) std::memcpy(to + line * static_cast<std::size_t>(y), image.ptr(y), line);
    return nullptr;
  } catch (const std::exception&) {
    return "not an image that can be decoded (damaged, or too large)";
  }
}
