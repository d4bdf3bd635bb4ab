// The operations of view recipes on 8-bit images. Each agrees with torchvision's transforms on PIL images (on tensors for the
// Gaussian blur) within 2 grey levels at the same parameters; tests/parity holds them to it.
#pragma once

#include "data/image.h"

#include <array>

namespace selfsight::data {

enum class Interpolation { bilinear, bicubic };

/// A box in pixels of the source.
struct Box {
  std::int64_t x = 0, y = 0, width = 0, height = 0;
};

/// Crops `box` and resizes it to height x width with an antialiasing (PIL-like) filter; optionally mirrors the result.
void crop_resize(const Image& source, const Box& box, std::int64_t height, std::int64_t width, Interpolation filter, bool flip, Image& out);
/// Factors as torchvision's adjust_*: 1 leaves the image as it is. hue: shift in [-0.5, 0.5] of the colour circle.
void adjust_brightness(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_saturation(Image& image, double factor);
void adjust_hue(Image& image, double shift);
/// ITU-R 601-2 luma in all channels.
void to_grey(Image& image);
/// Separable Gaussian of `kernel` (odd) taps with reflected borders.
void gaussian_blur(Image& image, std::int64_t kernel, double sigma);
/// Inverts values >= threshold.
void solarize(Image& image, int threshold);

}  // namespace selfsight::data
