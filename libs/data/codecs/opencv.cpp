// The module behind data/codecs.h.
#include "data/codecs.h"

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include <cstring>

namespace {

// A PNG that breaks off is decoded by OpenCV as far as it goes, with a warning on stderr only.
bool png_breaks_off(const unsigned char* bytes, std::size_t size) {
  constexpr unsigned char magic[] = {0x89, 'P', 'N', 'G'};
  if (size < 8 || std::memcmp(bytes, magic, 4) != 0) return false;
  for (std::size_t at = 8; at + 12 <= size;) {
    const std::size_t length = static_cast<std::size_t>(bytes[at]) << 24 | static_cast<std::size_t>(bytes[at + 1]) << 16 |
                               static_cast<std::size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
    if (std::memcmp(bytes + at + 4, "IEND", 4) == 0) return false;
    at += 12 + length;
  }
  return true;
}

}  // namespace

extern "C" const char* selfsight_decode_other(const void* bytes, std::size_t size, void* context,
                                              unsigned char* (*make)(void*, std::int64_t, std::int64_t, std::int64_t)) {
  try {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    if (size > std::size_t{1} << 30) return "larger than 1 GiB";
    if (png_breaks_off(static_cast<const unsigned char*>(bytes), size)) return "truncated PNG";
    const cv::Mat raw(1, static_cast<int>(size), CV_8UC1, const_cast<void*>(bytes));
    const cv::Mat image = cv::imdecode(raw, cv::IMREAD_ANYCOLOR);
    if (image.empty() || image.depth() != CV_8U || (image.channels() != 1 && image.channels() != 3)) {
      return "not an image in a known format, or damaged";
    }
    unsigned char* to = make(context, image.rows, image.cols, image.channels());
    if (to == nullptr) return "more pixels than an image may have";
    const std::size_t line = image.elemSize() * static_cast<std::size_t>(image.cols);
    for (int y = 0; y < image.rows; ++y) std::memcpy(to + line * static_cast<std::size_t>(y), image.ptr(y), line);
    return nullptr;
  } catch (const std::exception&) {
    return "not an image that can be decoded (damaged, or too large)";
  }
}
