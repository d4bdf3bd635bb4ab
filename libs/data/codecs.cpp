#include "data/codecs.h"

#include "core/error.h"
#include "core/module.h"

#include <cstdlib>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;
using Decode = decltype(&selfsight_decode_other);

Decode open_codecs() {
  // OpenCV reads its limit when it is loaded.
  setenv("OPENCV_IO_MAX_IMAGE_PIXELS", std::to_string(max_pixels).c_str(), 0);
  return reinterpret_cast<Decode>(core::open_module("selfsight_codecs.so", "selfsight_decode_other", "image formats other than JPEG"));
}

}  // namespace

void decode_other(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, Image& out) {
  static const Decode decode = open_codecs();
  thread_local Image found;
  const auto make = [](void* context, std::int64_t height, std::int64_t width, std::int64_t c) -> unsigned char* {
    if (height * width > max_pixels) return nullptr;
    auto* image = static_cast<Image*>(context);
    image->reshape(height, width, c);
    return image->pixels.data();
  };
  if (const char* why = decode(bytes.data(), bytes.size(), &found, make)) fail(Exit::bad_data, "{}: {}", name, why);
  out.reshape(found.height, found.width, channels);
  const std::int64_t area = found.height * found.width;
  const std::uint8_t* from = found.pixels.data();
  std::uint8_t* to = out.pixels.data();
  for (std::int64_t i = 0; i < area; ++i) {
    const std::uint8_t* pixel = from + i * found.channels;
    if (found.channels == 1) {
      for (std::int64_t k = 0; k < channels; ++k) to[channels * i + k] = *pixel;
    } else if (channels == 1) {
      to[i] = luma(pixel[2], pixel[1], pixel[0]);
    } else {
      for (int k = 0; k < 3; ++k) to[3 * i + k] = pixel[2 - k];
    }
  }
}

}  // namespace selfsight::data
