// The module behind data/codecs.h.
#include "data/codecs.h"

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include <cstring>

namespace {

constexpr const char* too_large = "more pixels than an image may have";

std::int64_t big_endian(const unsigned char* at) {
  return static_cast<std::int64_t>(at[0]) << 24 | static_cast<std::int64_t>(at[1]) << 16 | static_cast<std::int64_t>(at[2]) << 8 | at[3];
}

// Why a PNG is not to be decoded, null if nothing speaks against it. OpenCV decodes one that breaks off as far as it goes, with a warning
// on stderr only, and takes the memory for a header's pixels before it looks for them.
const char* fault_of_png(const unsigned char* bytes, std::size_t size) {
  constexpr unsigned char magic[] = {0x89, 'P', 'N', 'G'};
  if (size < 8 || std::memcmp(bytes, magic, 4) != 0) return nullptr;
  if (size >= 24 && big_endian(bytes + 16) * big_endian(bytes + 20) > selfsight::data::max_pixels) return too_large;
  for (std::size_t at = 8; at + 12 <= size;) {
    if (std::memcmp(bytes + at + 4, "IEND", 4) == 0) return nullptr;
    at += 12 + static_cast<std::size_t>(big_endian(bytes + at));
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
