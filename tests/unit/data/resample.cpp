// Resizing against sums in double precision.
#include "data/ops.h"
#include "unit/data/support.h"

#include <cmath>

namespace selfsight::data {
namespace {

double weight(Interpolation filter, double x) {
  x = std::abs(x);
  if (filter == Interpolation::bilinear) return std::max(1 - x, 0.0);
  if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
  return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

/// Value i of what a line becomes at a length of `out`; kept within 0..255.
double value(const Image& line, std::int64_t out, std::int64_t i, Interpolation filter) {
  const double scale = static_cast<double>(line.width) / static_cast<double>(out), stretch = std::max(scale, 1.0);
  const double centre = (static_cast<double>(i) + 0.5) * scale;
  double sum = 0, weights = 0;
  for (std::int64_t x = 0; x < line.width; ++x) {
    const double w = weight(filter, (static_cast<double>(x) + 0.5 - centre) / stretch);
    sum += w * line.pixels[static_cast<std::size_t>(x)];
    weights += w;
  }
  return std::clamp(sum / weights, 0.0, 255.0);
}

}  // namespace

TEST_CASE("lines of every length become lines of every other") {
  // Among them are centres that lie between two values of the line in exact arithmetic, and beside that in floating point.
  for (const Interpolation filter : {Interpolation::bilinear, Interpolation::bicubic}) {
    double worst = 0;
    for (std::int64_t in = 1; in <= 70; ++in) {
      Image across(1, in, 1), down(in, 1, 1), out;
      across.pixels = down.pixels = noise(static_cast<std::uint64_t>(in), 1, (in + 2) / 3).pixels;
      across.reshape(1, in, 1), down.reshape(in, 1, 1);
      for (std::int64_t length = 1; length <= 70; ++length) {
        for (const bool upright : {false, true}) {
          const Box box{0, 0, upright ? 1 : in, upright ? in : 1};
          crop_resize(upright ? down : across, box, upright ? length : 1, upright ? 1 : length, filter, false, out);
          for (std::int64_t i = 0; i < length; ++i)
            worst = std::max(worst, std::abs(value(across, length, i, filter) - out.pixels[static_cast<std::size_t>(i)]));
        }
      }
    }
    CHECK(worst < 0.502);
  }
}

}  // namespace selfsight::data
