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

constexpr std::int32_t half = 1 << (precision - 1);

std::uint8_t clip(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> precision, 0, 255)); }

// Rows of a picture somewhere in memory.
struct Rows {
  const std::uint8_t* first;
  std::int64_t stride;
  [[nodiscard]] const std::uint8_t* operator[](std::int64_t y) const { return first + y * stride; }
};

// One row of the result from the rows it is made of; `line` bytes wide. Blocks of fixed width stay in vector registers, and the
// last one overlaps the one before it.
void down_row(const Rows& from, const std::int32_t* weights, std::int64_t count, std::int64_t line, std::uint8_t* to) {
  constexpr std::int64_t block = 32;
  for (std::int64_t x = 0; x + block <= line || (x < line && line >= block); x += block) {
    const std::int64_t at = std::min(x, line - block);
    std::int32_t sum[block];
    for (std::int32_t& value : sum) value = half;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint8_t* row = from[i] + at;
      for (int k = 0; k < block; ++k) sum[k] += row[k] * weights[i];
    }
    for (int k = 0; k < block; ++k) to[at + k] = clip(sum[k]);
  }
  if (line >= block) return;
  for (std::int64_t x = 0; x < line; ++x) {
    std::int32_t sum = half;
    for (std::int64_t i = 0; i < count; ++i) sum += from[i][x] * weights[i];
    to[x] = clip(sum);
  }
}

// One row of the result from a row whose first pixel has the number `base`.
template <int channels>
void across_row(const std::uint8_t* from, std::int64_t base, const Weights& weights, std::int64_t made, std::uint8_t* to) {
  for (std::int64_t x = 0; x < made; ++x) {
    const std::uint8_t* pixel = from + (weights.first[static_cast<std::size_t>(x)] - base) * channels;
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
  std::vector<std::uint8_t> between;
};

template <int channels>
void resample_as(const Image& source, const Box& box, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
                 bool flip, Image& out) {
  thread_local Scratch scratch;
  Weights &h = scratch.horizontal, &v = scratch.vertical;
  const bool wide = width != box.width || window.width != width, tall = height != box.height || window.height != height;
  Rows from{source.row(box.y) + box.x * channels, source.width * channels};
  if (wide) h.set(box.width, width, window.x, window.width, filter);
  if (tall) v.set(box.height, height, window.y, window.height, filter);

  // Each pass rounds to 8 bits, so their order shows. Pillow 13 goes down first where that takes away more than twice as many
  // lines as the other pass takes columns (earlier ones never do); it is the cheaper order, too.
  if (wide && tall && box.height > height && box.height - height > 2 * (box.width - width)) {
    const std::int64_t left = h.first.front(), line = (h.first.back() + h.count.back() - left) * channels;
    scratch.between.resize(static_cast<std::size_t>(line));
    for (std::int64_t y = 0; y < window.height; ++y) {
      const Rows used{from[v.first[static_cast<std::size_t>(y)]] + left * channels, from.stride};
      down_row(used, v.weights.data() + y * v.taps, v.count[static_cast<std::size_t>(y)], line, scratch.between.data());
      across_row<channels>(scratch.between.data(), left, h, window.width, out.row(y));
    }
  } else {
    const std::int64_t line = window.width * channels;
    std::int64_t top = 0;
    if (wide) {
      top = tall ? v.first.front() : 0;
      const std::int64_t rows = tall ? v.first.back() + v.count.back() - top : window.height;
      scratch.between.resize(static_cast<std::size_t>(rows * line));
      for (std::int64_t y = 0; y < rows; ++y) across_row<channels>(from[top + y], 0, h, window.width, scratch.between.data() + y * line);
      from = {scratch.between.data(), line};
    }
    for (std::int64_t y = 0; y < window.height; ++y) {
      if (tall) {
        const Rows used{from[v.first[static_cast<std::size_t>(y)] - top], from.stride};
        down_row(used, v.weights.data() + y * v.taps, v.count[static_cast<std::size_t>(y)], line, out.row(y));
      } else {
        std::memcpy(out.row(y), from[y], static_cast<std::size_t>(line));
      }
    }
  }
  if (flip) {
    for (std::int64_t y = 0; y < window.height; ++y) mirror<channels>(out.row(y), window.width);
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
