// PIL's antialiased resampling, which torchvision's resize and resized_crop of PIL images are.
#pragma once

#include "data/ops.h"

namespace selfsight::data {

/// Resizes `box` of the source to height x width and makes `window` of the result (the whole is {0, 0, width, height});
/// `flip` mirrors what was made.
void resample(const Image& source, const Box& box, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
              bool flip, Image& out);

}  // namespace selfsight::data
