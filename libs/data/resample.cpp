#include "data/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace selfsight::data {
namespace {

constexpr int precision = 32 - 8 - 2;  // bits of a weight: 8 for the pixel, 2 for the overshoot of the bicubic filter

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Which pixels of a line make each pixel of the result, and with what weights.
struct Weights {
  std::int64_t taps = 0;                   // room for each pixel's weights
  std::vector<std::int64_t> first, count;  // pixels used
  std::vector<std::int32_t> weights;       // fixed point, `taps` a pixel

  // Pixels [begin, begin + made) of a line of `in` resized to `out`.
  void set(std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t made, Interpolation filter) {
    const double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(scale, 1.0);
    const double support = (filter == Interpolation::bilinear ? 1.0 : 2.0) * stretch;
    taps = static_cast<std::int64_t>(std::ceil(support)) * 2 + 1;
    first.resize(static_cast<std::size_t>(made));
    count.resize(static_cast<std::size_t>(made));
    weights.assign(static_cast<std::size_t>(made * taps), 0);
    raw_.resize(static_cast<std::size_t>(taps));
    for (std::int64_t i = 0; i < made; ++i) {
      const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
      const std::int64_t low = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
      const std::int64_t high = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), in);
      double sum = 0;
      for (std::int64_t x = low; x < high; ++x) {
        const double place = (static_cast<double>(x) - centre + 0.5) * (1.0 / stretch);
        raw_[static_cast<std::size_t>(x - low)] = filter == Interpolation::bilinear ? bilinear(place) : bicubic(place);
        sum += raw_[static_cast<std::size_t>(x - low)];
      }
      first[static_cast<std::size_t>(i)] = low;
      count[static_cast<std::size_t>(i)] = high - low;
      for (std::int64_t k = 0; k < high - low; ++k) {
        const double share = (sum != 0 ? raw_[static_cast<std::size_t>(k)] / sum : raw_[static_cast<std::size_t>(k)]) * (1 << precision);
        weights[static_cast<std::size_t>(i * taps + k)] = static_cast<std::int32_t>(share < 0 ? share - 0.5 : share + 0.5);
      }
    }
  }

 private:
  std::vector<double> raw_;
};

std::uint8_t clip(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> precision, 0, 255)); }

constexpr std::int32_t half = 1 << (precision - 1);

template <int channels>
void across(const std::uint8_t* from, const Weights& weights, std::int64_t made, std::uint8_t* to) {
  for (std::int64_t x = 0; x < made; ++x) {
    const std::uint8_t* pixel = from + weights.first[static_cast<std::size_t>(x)] * channels;
    const std::int32_t* weight = weights.weights.data() + x * weights.taps;
    std::int32_t sum[channels];
    for (int k = 0; k < channels; ++k) sum[k] = half;
    for (std::int64_t i = 0; i < weights.count[static_cast<std::size_t>(x)]; ++i, pixel += channels) {
      for (int k = 0; k < channels; ++k) sum[k] += pixel[k] * weight[i];
    }
    for (int k = 0; k < channels; ++k) to[x * channels + k] = clip(sum[k]);
  }
}

template <int channels>
void mirror(std::uint8_t* row, std::int64_t width) {
  for (std::int64_t l = 0, r = width - 1; l < r; ++l, --r) {
    for (int k = 0; k < channels; ++k) std::swap(row[l * channels + k], row[r * channels + k]);
  }
}

struct Scratch {
  Weights horizontal, vertical;
  std::vector<std::uint8_t> lines;
  std::vector<std::int32_t> sums;
};

template <int channels>
void resample_as(const Image& source, const Box& box, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
                 bool flip, Image& out) {
  thread_local Scratch scratch;
  const std::int64_t line = window.width * channels;
  const bool wide = width != box.width || window.width != width, tall = height != box.height || window.height != height;
  const auto source_row = [&](std::int64_t y) { return source.row(box.y + y) + box.x * channels; };

  std::int64_t top = 0, rows = box.height;  // the lines of the source that are needed
  if (tall) {
    scratch.vertical.set(box.height, height, window.y, window.height, filter);
    const Weights& v = scratch.vertical;
    top = v.first.front();
    rows = v.first.back() + v.count.back() - top;
  }
  // As PIL: first across, rounded to 8 bits, then down.
  if (wide) {
    scratch.horizontal.set(box.width, width, window.x, window.width, filter);
    scratch.lines.resize(static_cast<std::size_t>(rows * line));
    for (std::int64_t y = 0; y < rows; ++y)
      across<channels>(source_row(top + y), scratch.horizontal, window.width, scratch.lines.data() + y * line);
  }
  const auto made_row = [&](std::int64_t y) { return wide ? scratch.lines.data() + (y - top) * line : source_row(y); };
  for (std::int64_t y = 0; y < window.height; ++y) {
    std::uint8_t* to = out.row(y);
    if (tall) {
      const Weights& v = scratch.vertical;
      scratch.sums.assign(static_cast<std::size_t>(line), half);
      std::int32_t* sums = scratch.sums.data();
      for (std::int64_t i = 0; i < v.count[static_cast<std::size_t>(y)]; ++i) {
        const std::uint8_t* from = made_row(v.first[static_cast<std::size_t>(y)] + i);
        const std::int32_t weight = v.weights[static_cast<std::size_t>(y * v.taps + i)];
        for (std::int64_t x = 0; x < line; ++x) sums[x] += from[x] * weight;
      }
      for (std::int64_t x = 0; x < line; ++x) to[x] = clip(sums[x]);
    } else {
      std::memcpy(to, made_row(y), static_cast<std::size_t>(line));
    }
    if (flip) mirror<channels>(to, window.width);
  }
}

}  // namespace

void resample(const Image& source, const Box& box, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
              bool flip, Image& out) {
  out.reshape(window.height, window.width, source.channels);
  if (source.channels == 1) {
    resample_as<1>(source, box, height, width, window, filter, flip, out);
  } else {
    resample_as<3>(source, box, height, width, window, filter, flip, out);
  }
}

}  // namespace selfsight::data
