#include "data/codecs.h"

#include "core/error.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;
using Decode = decltype(&selfsight_decode_other);

constexpr const char* module_name = "selfsight_codecs.so";

Decode open_module() {
  // OpenCV reads its limit when it is loaded.
  setenv("OPENCV_IO_MAX_IMAGE_PIXELS", std::to_string(max_pixels).c_str(), 0);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string tried;
  for (const fs::path& folder : {program / ".." / "lib", program, fs::path(SELFSIGHT_MODULE_FOLDER)}) {
    const fs::path file = folder / module_name;
    if (void* module = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      if (void* found = dlsym(module, "selfsight_decode_other")) return reinterpret_cast<Decode>(found);
    }
    const char* why = dlerror();
    tried += fmt::format("\n  {}", why == nullptr ? file.string() : why);
  }
  fail(Exit::internal, "the module for image formats other than JPEG cannot be loaded:{}", tried);
}

}  // namespace

void decode_other(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, Image& out) {
  static const Decode decode = open_module();
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
