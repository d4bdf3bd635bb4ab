#include "core/error.h"
#include "data/filter.h"
#include "data/lines.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace selfsight::data {
namespace {

// The weights of a Sampling, for values [begin, begin + made) of the result.
struct Weights {
  std::int64_t taps = 0;
  std::vector<std::int64_t> first;  // of the values that make each one of the result
  std::vector<float> weights;       // `taps` for each value of the result

  void set(const Sampling& by, std::int64_t begin, std::int64_t made) {
    taps = by.taps;
    first.resize(static_cast<std::size_t>(made));
    weights.assign(static_cast<std::size_t>(made * std::max<std::int64_t>(taps, 0)), 0);
    raw_.resize(static_cast<std::size_t>(std::max<std::int64_t>(taps, 0)));
    for (std::int64_t i = 0; i < made; ++i) {
      const std::int64_t low = by.low(begin + i), high = by.high(begin + i), start = by.start(begin + i);
      if (high <= low || high - low > taps) core::fail(core::Exit::internal, "resample: value {} has {} sources", begin + i, high - low);
      double sum = 0;
      for (std::int64_t x = low; x < high; ++x) {
        raw_[static_cast<std::size_t>(x - low)] = by.weight(begin + i, x);
        sum += raw_[static_cast<std::size_t>(x - low)];
      }
      first[static_cast<std::size_t>(i)] = by.shift + start;
      for (std::int64_t x = low; x < high; ++x) {
        weights[static_cast<std::size_t>(i * taps + x - start)] =
            static_cast<float>(raw_[static_cast<std::size_t>(x - low)] / (sum != 0 ? sum : 1.0));
      }
    }
  }
  [[nodiscard]] std::int64_t begin(std::int64_t i) const { return first[static_cast<std::size_t>(i)]; }
  [[nodiscard]] std::int64_t end(std::int64_t i) const { return begin(i) + taps; }
  [[nodiscard]] const float* of(std::int64_t i) const { return weights.data() + i * taps; }

 private:
  std::vector<double> raw_;
};

// One line of the result from a line whose first pixel has the number `base`; mirrored by `flip`. `known` is the number of taps, or 0.
template <int channels, int known>
void across_with(const float* from, std::int64_t base, const Weights& weights, std::int64_t made, bool flip, float* to) {
  const std::int64_t taps = known > 0 ? known : weights.taps;
  for (std::int64_t x = 0; x < made; ++x) {
    const std::int64_t i = flip ? made - 1 - x : x;
    const float *pixel = from + (weights.begin(i) - base) * channels, *weight = weights.of(i);
    if constexpr (channels == 3) {
      // A fourth value comes along, which makes whole vectors of a pixel; lines have room for it, and the next pixel overwrites it.
      Quad sum = {};
      for (std::int64_t t = 0; t < taps; ++t) sum = fused(load_quad(pixel + t * channels), Quad{} + weight[t], sum);
      store_quad(clamped(sum), to + x * channels);
    } else {
      float sum = 0;
      for (std::int64_t t = 0; t < taps; ++t) sum = std::fma(pixel[t], weight[t], sum);
      to[x] = std::clamp(sum, 0.0F, 255.0F);
    }
  }
}

template <int channels>
void across(const float* from, std::int64_t base, const Weights& weights, std::int64_t made, bool flip, float* to) {
  constexpr std::array known = {across_with<channels, 0>, across_with<channels, 0>, across_with<channels, 2>,
                                across_with<channels, 3>, across_with<channels, 4>, across_with<channels, 5>};
  known[weights.taps < std::ssize(known) ? static_cast<std::size_t>(weights.taps) : 0](from, base, weights, made, flip, to);
}

struct Scratch {
  Weights horizontal, vertical;
  LineRing rows;
  std::vector<float> line, result;
  std::vector<const std::uint8_t*> source_lines;
  std::vector<const float*> lines;
};

// Pixels that keep their size: rows as they are, or mirrored.
void copy(const Image& source, std::int64_t x, std::int64_t y, bool flip, Pixels out) {
  const std::int64_t channels = source.channels;
  for (std::int64_t row = 0; row < out.height; ++row) {
    const std::uint8_t* from = source.row(y + row) + x * channels;
    std::uint8_t* to = out.row(row);
    if (!flip) {
      std::memcpy(to, from, static_cast<std::size_t>(out.width * channels));
    } else {
      for (std::int64_t i = 0; i < out.width; ++i, to += channels)
        std::memcpy(to, from + (out.width - 1 - i) * channels, static_cast<std::size_t>(channels));
    }
  }
}

template <int channels>
void resample_as(const Image& source, const Region& region, std::int64_t height, std::int64_t width, const Box& window,
                 Interpolation filter, bool flip, Pixels out) {
  thread_local Scratch scratch;
  Weights &h = scratch.horizontal, &v = scratch.vertical;
  h.set({region.x, region.width, source.width, width, filter}, window.x, window.width);
  v.set({region.y, region.height, source.height, height, filter}, window.y, window.height);
  const std::int64_t left = h.begin(0), used = (h.end(window.width - 1) - left) * channels, line = window.width * channels;
  scratch.line.resize(static_cast<std::size_t>(used + 4));
  scratch.result.resize(static_cast<std::size_t>(line + 4));
  const auto source_line = [&](std::int64_t y) { return source.row(y) + left * channels; };

  if (down_first(region, height, width)) {
    scratch.source_lines.resize(static_cast<std::size_t>(v.taps));
    for (std::int64_t y = 0; y < window.height; ++y) {
      for (std::int64_t i = 0; i < v.taps; ++i) scratch.source_lines[static_cast<std::size_t>(i)] = source_line(v.begin(y) + i);
      weighted_sum(scratch.source_lines.data(), v.of(y), v.taps, used, scratch.line.data());
      across<channels>(scratch.line.data(), left, h, window.width, flip, scratch.result.data());
      narrow(scratch.result.data(), line, out.row(y));
    }
    return;
  }
  scratch.rows.reset(v.taps, line);
  scratch.lines.resize(static_cast<std::size_t>(v.taps));
  std::int64_t made = v.begin(0);
  for (std::int64_t y = 0; y < window.height; ++y) {
    for (; made < v.end(y); ++made) {
      widen(source_line(made), used, scratch.line.data());
      across<channels>(scratch.line.data(), left, h, window.width, flip, scratch.rows.line(made));
    }
    for (std::int64_t i = 0; i < v.taps; ++i) scratch.lines[static_cast<std::size_t>(i)] = scratch.rows.line(v.begin(y) + i);
    weighted_sum(scratch.lines.data(), v.of(y), v.taps, line, out.row(y));
  }
}

}  // namespace

Sampling::Sampling(double from, double in, std::int64_t length, std::int64_t out, Interpolation by)
    : scale(in / static_cast<double>(out)), filter(by) {
  const double stretch = std::max(scale, 1.0), base = std::floor(from);
  shrink = 1.0 / stretch;
  support = (by == Interpolation::bilinear ? 1.0 : 2.0) * stretch;
  offset = from - base;
  shift = static_cast<std::int64_t>(base);
  least = std::max<std::int64_t>(-shift, 0);
  end = std::min(static_cast<std::int64_t>(std::ceil(offset + in)), length - shift);
  taps = std::min(static_cast<std::int64_t>(std::ceil(2 * support)), end - least);
}

void resample(const Image& source, const Region& region, std::int64_t height, std::int64_t width, const Box& window, Interpolation filter,
              bool flip, Pixels out) {
  if (out.height != window.height || out.width != window.width || out.channels != source.channels)
    core::fail(core::Exit::internal, "resample: a window of {} x {} for {} x {} pixels", window.height, window.width, out.height,
               out.width);
  if (keeps_pixels(region, height, width)) {
    return copy(source, static_cast<std::int64_t>(region.x) + window.x, static_cast<std::int64_t>(region.y) + window.y, flip, out);
  }
  const auto make = source.channels == 1 ? resample_as<1> : resample_as<3>;
  make(source, region, height, width, window, filter, flip, out);
}

void crop_resize(const Image& source, const Box& box, std::int64_t height, std::int64_t width, Interpolation filter, bool flip,
                 Image& out) {
  if (box.x < 0 || box.y < 0 || box.width < 1 || box.height < 1 || box.x + box.width > source.width || box.y + box.height > source.height) {
    core::fail(core::Exit::internal, "crop {}+{} x {}+{} of an image of {} x {}", box.x, box.width, box.y, box.height, source.width,
               source.height);
  }
  out.reshape(height, width, source.channels);
  resample(source, box, height, width, {0, 0, width, height}, filter, flip, out);
}

}  // namespace selfsight::data
