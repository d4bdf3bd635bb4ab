#include "data/ops.h"

#include "core/error.h"
#include "data/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace selfsight::data {
namespace {

using Table = std::array<std::uint8_t, 256>;

void apply_table(Image& image, const Table& table) {
  for (std::uint8_t& value : image.pixels) value = table[value];
}

// PIL's blend of a pixel with a degenerate one: single precision, cut off towards zero.
std::uint8_t blend(int degenerate, int value, float factor) {
  const float mixed = static_cast<float>(degenerate) + factor * static_cast<float>(value - degenerate);
  return mixed <= 0.0F ? 0 : mixed >= 255.0F ? 255 : static_cast<std::uint8_t>(mixed);
}

void blend_with(Image& image, int degenerate, double factor) {
  Table table;
  for (int v = 0; v < 256; ++v) table[static_cast<std::size_t>(v)] = blend(degenerate, v, static_cast<float>(factor));
  apply_table(image, table);
}

struct Hsv {
  std::uint8_t hue, saturation, value;
};

// 8-bit HSV as PIL has it: all three parts in 0..255.
Hsv to_hsv(int r, int g, int b) {
  const int high = std::max({r, g, b}), low = std::min({r, g, b});
  if (high == low) return {0, 0, static_cast<std::uint8_t>(high)};
  const auto range = static_cast<float>(high - low);
  const float saturation = range / static_cast<float>(high);
  const float rc = static_cast<float>(high - r) / range, gc = static_cast<float>(high - g) / range,
              bc = static_cast<float>(high - b) / range;
  float hue = 0;
  if (r == high) {
    hue = bc - gc;
  } else if (g == high) {
    hue = static_cast<float>(2.0 + rc - bc);
  } else {
    hue = static_cast<float>(4.0 + gc - rc);
  }
  double turn = hue / 6.0 + 1.0;
  if (turn >= 1.0) turn -= 1.0;
  const auto clip = [](int v) { return static_cast<std::uint8_t>(std::clamp(v, 0, 255)); };
  return {clip(static_cast<int>(static_cast<float>(turn) * 255.0)), clip(static_cast<int>(saturation * 255.0)),
          static_cast<std::uint8_t>(high)};
}

// What a hue of 0..255 means for the way back: the sector of the circle and the place in it.
struct Sector {
  int index;
  float rest;
};

const std::array<Sector, 256>& sectors() {
  static const std::array<Sector, 256> table = [] {
    std::array<Sector, 256> out{};
    for (int hue = 0; hue < 256; ++hue) {
      const double place = static_cast<float>(hue) * 6.0 / 255.0;
      const int index = static_cast<int>(std::floor(place));
      out[static_cast<std::size_t>(hue)] = {index % 6, static_cast<float>(place - static_cast<float>(index))};
    }
    return out;
  }();
  return table;
}

void from_hsv(const Hsv& hsv, std::uint8_t* rgb) {
  const std::uint8_t v = hsv.value;
  if (hsv.saturation == 0) {
    rgb[0] = rgb[1] = rgb[2] = v;
    return;
  }
  const auto [index, rest] = sectors()[hsv.hue];
  const float s = static_cast<float>(hsv.saturation / 255.0);
  const auto part = [v](double share) { return static_cast<std::uint8_t>(std::clamp(static_cast<int>(v * share + 0.5), 0, 255)); };
  const std::uint8_t p = part(1.0 - s), q = part(1.0 - s * rest), t = part(1.0 - s * (1.0 - rest));
  switch (index) {
    case 0:
      rgb[0] = v, rgb[1] = t, rgb[2] = p;
      break;
    case 1:
      rgb[0] = q, rgb[1] = v, rgb[2] = p;
      break;
    case 2:
      rgb[0] = p, rgb[1] = v, rgb[2] = t;
      break;
    case 3:
      rgb[0] = p, rgb[1] = q, rgb[2] = v;
      break;
    case 4:
      rgb[0] = t, rgb[1] = p, rgb[2] = v;
      break;
    default:
      rgb[0] = v, rgb[1] = p, rgb[2] = q;
      break;
  }
}

std::vector<float> gaussian_taps(std::int64_t kernel, double sigma) {
  std::vector<float> taps(static_cast<std::size_t>(kernel));
  double sum = 0;
  const auto weight = [&](std::int64_t i) { return std::exp(-0.5 * std::pow(static_cast<double>(i - kernel / 2) / sigma, 2)); };
  for (std::int64_t i = 0; i < kernel; ++i) sum += weight(i);
  for (std::int64_t i = 0; i < kernel; ++i) taps[static_cast<std::size_t>(i)] = static_cast<float>(weight(i) / sum);
  return taps;
}

// Reflection without the edge itself: -1 is 1, `side` is side - 2.
std::int64_t reflect(std::int64_t i, std::int64_t side) { return i < 0 ? -i : i >= side ? 2 * (side - 1) - i : i; }

// The widest odd kernel that a reflected border can serve.
std::int64_t fitting_kernel(std::int64_t kernel, std::int64_t side) { return std::min(kernel, 2 * (side - 1) + 1); }

}  // namespace

void crop_resize(const Image& source, const Box& box, std::int64_t height, std::int64_t width, Interpolation filter, bool flip,
                 Image& out) {
  if (box.x < 0 || box.y < 0 || box.width < 1 || box.height < 1 || box.x + box.width > source.width || box.y + box.height > source.height) {
    core::fail(core::Exit::internal, "crop {}+{} x {}+{} of an image of {} x {}", box.x, box.width, box.y, box.height, source.width,
               source.height);
  }
  resample(source, box, height, width, {0, 0, width, height}, filter, flip, out);
}

void adjust_brightness(Image& image, double factor) {
  if (factor != 1.0) blend_with(image, 0, factor);
}

void adjust_contrast(Image& image, double factor) {
  if (factor == 1.0 || image.empty()) return;
  std::uint64_t sum = 0;
  if (image.channels == 1) {
    for (const std::uint8_t value : image.pixels) sum += value;
  } else {
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) sum += luma(image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]);
  }
  blend_with(image, static_cast<int>(static_cast<double>(sum) / static_cast<double>(image.height * image.width) + 0.5), factor);
}

void adjust_saturation(Image& image, double factor) {
  if (factor == 1.0 || image.channels == 1) return;
  const auto f = static_cast<float>(factor);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* pixel = &image.pixels[i];
    const int grey = luma(pixel[0], pixel[1], pixel[2]);
    for (int k = 0; k < 3; ++k) pixel[k] = blend(grey, pixel[k], f);
  }
}

void adjust_hue(Image& image, double shift) {
  const auto steps = static_cast<std::uint8_t>(static_cast<int>(shift * 255));
  if (image.channels == 1) return;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* pixel = &image.pixels[i];
    Hsv hsv = to_hsv(pixel[0], pixel[1], pixel[2]);
    hsv.hue = static_cast<std::uint8_t>(hsv.hue + steps);
    from_hsv(hsv, pixel);
  }
}

void to_grey(Image& image) {
  if (image.channels == 1) return;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* pixel = &image.pixels[i];
    pixel[0] = pixel[1] = pixel[2] = luma(pixel[0], pixel[1], pixel[2]);
  }
}

void gaussian_blur(Image& image, std::int64_t kernel, double sigma) {
  if (kernel % 2 == 0 || kernel < 1) core::fail(core::Exit::internal, "a blur of {} taps: the number must be odd", kernel);
  const std::int64_t kx = fitting_kernel(kernel, image.width), ky = fitting_kernel(kernel, image.height);
  const std::int64_t line = image.width * image.channels, c = image.channels;
  const std::vector<float> across = gaussian_taps(kx, sigma), down = gaussian_taps(ky, sigma);
  thread_local std::vector<float> padded, rows, sum;
  padded.resize(static_cast<std::size_t>(line + (kx - 1) * c));
  rows.resize(static_cast<std::size_t>(image.height * line));
  sum.resize(static_cast<std::size_t>(line));
  const auto weighted_sum = [line](float* to, const float* from, float weight) {
    for (std::int64_t x = 0; x < line; ++x) to[x] += weight * from[x];
  };
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.row(y);
    float* pad = padded.data() + kx / 2 * c;
    for (std::int64_t x = 0; x < line; ++x) pad[x] = from[x];
    for (std::int64_t i = 1; i <= kx / 2; ++i) {
      for (std::int64_t k = 0; k < c; ++k) {
        pad[-i * c + k] = from[i * c + k];
        pad[(image.width - 1 + i) * c + k] = from[reflect(image.width - 1 + i, image.width) * c + k];
      }
    }
    float* to = rows.data() + y * line;
    std::fill(to, to + line, 0.0F);
    for (std::int64_t i = 0; i < kx; ++i) weighted_sum(to, padded.data() + i * c, across[static_cast<std::size_t>(i)]);
  }
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::fill(sum.begin(), sum.end(), 0.0F);
    for (std::int64_t i = 0; i < ky; ++i) {
      weighted_sum(sum.data(), rows.data() + reflect(y - ky / 2 + i, image.height) * line, down[static_cast<std::size_t>(i)]);
    }
    std::uint8_t* to = image.row(y);
    for (std::int64_t x = 0; x < line; ++x) to[x] = static_cast<std::uint8_t>(std::min(sum[static_cast<std::size_t>(x)] + 0.5F, 255.0F));
  }
}

void solarize(Image& image, int threshold) {
  for (std::uint8_t& value : image.pixels) value = value >= threshold ? static_cast<std::uint8_t>(255 - value) : value;
}

}  // namespace selfsight::data
