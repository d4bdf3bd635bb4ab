// The operations of view recipes on 8-bit images. Each agrees with torchvision's transforms on PIL images (on tensors for the
// Gaussian blur) within 2 grey levels at the same parameters; tests/parity holds them to it.
#pragma once

#include "data/image.h"

#include <span>
#include <vector>

namespace selfsight::data {

enum class Interpolation { bilinear, bicubic };

/// A box whose edges may lie within pixels.
struct Region {
  double x = 0, y = 0, width = 0, height = 0;
  Region(double left, double top, double w, double h) : x(left), y(top), width(w), height(h) {}
  /*implicit*/ Region(const Box& box)
      : x(static_cast<double>(box.x)),
        y(static_cast<double>(box.y)),
        width(static_cast<double>(box.width)),
        height(static_cast<double>(box.height)) {}
};

/// Resizes `region` of the source to height x width with an antialiasing filter (PIL's) and makes `window` of the result, which has the
/// size of `out`; optionally mirrors what was made. No pixel outside of the region is used, nor of the source: where the region reaches
/// beyond it, the window must not.
void resample(const Image& source, const Region& region, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
              bool flip, Pixels out);
/// The whole of a box inside the source, resized to height x width.
void crop_resize(const Image& source, const Box& box, std::int64_t height, std::int64_t width, Interpolation filter, bool flip, Image& out);

enum class Colour { brightness, contrast, saturation, hue, grey, solarize };

/// A change of colours. `amount`: the factor of torchvision's adjust_* for the first three, 1 leaving the image as it is; of hue the shift
/// in
/// [-0.5, 0.5] of the colour circle; of solarize the least value that is inverted; grey (ITU-R 601-2 luma in all channels) has none.
struct ColourStep {
  Colour kind;
  double amount = 0;
};

/// The steps one after the other, each with its result rounded as PIL rounds it, in as few passes over the pixels as their order allows.
/// An image of one channel keeps its values where a step is about colour.
void recolour(Pixels image, std::span<const ColourStep> steps);

/// Separable Gaussian of at most `kernel` (odd) taps with reflected borders; taps that change no value by more than a twentieth of a grey
/// level are left out.
void gaussian_blur(Pixels image, std::int64_t kernel, double sigma);
/// Those that it keeps along a side of `side` pixels, the middle one in the middle.
std::vector<float> blur_taps(std::int64_t kernel, double sigma, std::int64_t side);

}  // namespace selfsight::data
