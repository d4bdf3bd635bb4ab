#include "core/error.h"
#include "data/lines.h"
#include "data/ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace selfsight::data {
namespace {

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

}  // namespace

std::vector<float> blur_taps(std::int64_t kernel, double sigma, std::int64_t side) {
  if (kernel % 2 == 0 || kernel < 1) core::fail(core::Exit::internal, "a blur of {} taps: the number must be odd", kernel);
  // On either side of the middle: those asked for, as far as they weigh anything (beyond 3.7 sigma lies a 4,600th of the whole) and as a
  // reflected border can serve them.
  const std::int64_t reach = std::min({kernel / 2, static_cast<std::int64_t>(std::ceil(3.7 * sigma)), side - 1});
  return gaussian_taps(2 * reach + 1, sigma);
}

void gaussian_blur(Pixels image, std::int64_t kernel, double sigma) {
  const std::vector<float> across = blur_taps(kernel, sigma, image.width), down = blur_taps(kernel, sigma, image.height);
  const std::int64_t rx = std::ssize(across) / 2, ry = std::ssize(down) / 2, c = image.channels;
  const std::int64_t line = image.width * c, height = image.height;
  // Rows that are blurred across, the last 2 ry + 1 of them: the blur down needs no more at a time.
  thread_local LineRing rows;
  thread_local std::vector<float> padded;
  thread_local std::vector<const float*> lines;
  rows.reset(2 * ry + 1, line);
  padded.resize(static_cast<std::size_t>(line + 2 * rx * c));
  lines.resize(static_cast<std::size_t>(2 * std::max(rx, ry) + 1));
  const auto blur_across = [&](std::int64_t y) {
    float* pad = padded.data() + rx * c;
    widen(image.row(y), line, pad);
    for (std::int64_t i = 1; i <= rx; ++i) {
      for (std::int64_t k = 0; k < c; ++k) {
        pad[-i * c + k] = pad[i * c + k];
        pad[(image.width - 1 + i) * c + k] = pad[reflect(image.width - 1 + i, image.width) * c + k];
      }
    }
    for (std::int64_t i = 0; i <= 2 * rx; ++i) lines[static_cast<std::size_t>(i)] = padded.data() + i * c;
    weighted_sum(lines.data(), across.data(), 2 * rx + 1, line, rows.line(y));
  };
  std::int64_t made = 0;
  for (std::int64_t y = 0; y < height; ++y) {
    for (; made < std::min(y + ry + 1, height); ++made) blur_across(made);
    for (std::int64_t i = 0; i <= 2 * ry; ++i) lines[static_cast<std::size_t>(i)] = rows.line(reflect(y - ry + i, height));
    weighted_sum(lines.data(), down.data(), 2 * ry + 1, line, image.row(y));
  }
}

}  // namespace selfsight::data
