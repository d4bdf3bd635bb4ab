// Image formats other than JPEG. They come from OpenCV, whose loading takes longer than most of our tools run, so it sits in
// a module of its own that is opened when the first such image turns up.
#pragma once

#include "data/image.h"

namespace selfsight::data {

/// As decode_into. Further errors: internal when the module cannot be opened.
void decode_other(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, Image& out);

}  // namespace selfsight::data

/// What the module exports. Calls `make(context, height, width, channels)` for the place where the pixels go (8 bits, BGR or
/// grey, rows without gaps; null: too large) and returns null, or returns why the image cannot be decoded (static text).
extern "C" const char* selfsight_decode_other(const void* bytes, std::size_t size, void* context,
                                              unsigned char* (*make)(void* context, std::int64_t height, std::int64_t width,
                                                                     std::int64_t channels));
