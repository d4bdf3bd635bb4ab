// The program of one view of one sample, the same source for a block of CUDA threads and for a loop on the host. Its arithmetic is that of
// data::apply, operation by operation, so that the two give the same bytes; a unit test holds the host's form of it to that.
//
// `Run` is what executes it:
//   for_each(count, f)   f(i) for i in 0..count-1, in any order; what they wrote can be read afterwards
//   sum(count, f)        the sum of f(i), integers
#pragma once

#include "kernels/view_task.h"

#include <cmath>

#ifdef __CUDACC__
#define SELFSIGHT_DEVICE __device__
#else
#define SELFSIGHT_DEVICE
#endif

namespace selfsight::kernels {

/// A direction of a resize.
enum class Along { rows, columns };

/// Both directions of a resize in scratch memory: for each of the view's `size` columns, and rows, its first source and its weights. By one
/// pointer, for registers are scarce.
struct Tables {
  std::int32_t* words;
  std::int32_t size, row_taps, column_taps;

  [[nodiscard]] SELFSIGHT_DEVICE std::int32_t taps(Along along) const { return along == Along::rows ? row_taps : column_taps; }
  [[nodiscard]] SELFSIGHT_DEVICE std::int32_t& first(Along along, std::int32_t i) const {
    return words[along == Along::rows ? i : size + i];
  }
  [[nodiscard]] SELFSIGHT_DEVICE float* weights(Along along, std::int32_t i) const {
    return reinterpret_cast<float*>(words) + 2 * size + (along == Along::rows ? i * row_taps : size * row_taps + i * column_taps);
  }
};

/// Sources [begin, begin + count) of a picture's line.
struct Lines {
  std::int32_t begin, count;
};

template <int channels>
struct Values {
  float value[channels];
};

#ifdef __CUDA_ARCH__
SELFSIGHT_DEVICE inline float least_of(float a, float b) { return fminf(a, b); }
SELFSIGHT_DEVICE inline float largest_of(float a, float b) { return fmaxf(a, b); }
#else
// std::fmin is a call on x86, for the sake of NaNs that do not occur here.
SELFSIGHT_DEVICE inline float least_of(float a, float b) { return a < b ? a : b; }
SELFSIGHT_DEVICE inline float largest_of(float a, float b) { return a > b ? a : b; }
#endif
SELFSIGHT_DEVICE inline float clamped(float value) { return least_of(largest_of(value, 0.0F), 255.0F); }
/// Towards zero.
SELFSIGHT_DEVICE inline float cut_off(float value) { return static_cast<float>(static_cast<std::int32_t>(value)); }
SELFSIGHT_DEVICE inline std::uint8_t rounded(float value) { return static_cast<std::uint8_t>(static_cast<std::int32_t>(value + 0.5F)); }

/// PIL's blend of a value with a degenerate one.
SELFSIGHT_DEVICE inline float blend(float degenerate, float value, float factor) {
  return cut_off(clamped(degenerate + factor * (value - degenerate)));
}

/// ITU-R 601-2 luma with PIL's rounding; no product or sum of it reaches 2^24.
template <int channels>
SELFSIGHT_DEVICE float luma(const Values<channels>& p) {
  if constexpr (channels == 1) {
    return p.value[0];
  } else {
    return cut_off((19595.0F * p.value[0] + 38470.0F * p.value[1] + 7471.0F * p.value[2] + 32768.0F) * (1.0F / 65536.0F));
  }
}

/// There and back through PIL's 8-bit HSV; the expressions are those of data/colour.cpp.
SELFSIGHT_DEVICE inline void shift_hue(Values<3>& p, float steps) {
  const float r = p.value[0], g = p.value[1], b = p.value[2];
  const float high = largest_of(largest_of(r, g), b), low = least_of(least_of(r, g), b), range = high - low;
  const float share = (high - (r + g + b - high - low)) / largest_of(range, 1.0F);
  const float base = r == high ? 0.0F : g == high ? 2.0F : 4.0F;
  const float behind = r == high ? b : g == high ? r : g;
  const float angle = (behind == low ? base + 1.0F - share : base - 1.0F + share) / 6.0F;
  const float turn = angle < 0 ? 1.0F + angle : angle;
  const float saturation = cut_off(range / largest_of(high, 1.0F) * 255.0F) * (1.0F / 255.0F);
  const float moved = cut_off(turn * 255.0F) + steps;

  const float place = (moved >= 256.0F ? moved - 256.0F : moved) * 6.0F / 255.0F;
  const float begun = cut_off(place), rest = place - begun;
  const auto sector = static_cast<std::int32_t>(begun) % 6;
  const float lack = sector % 2 == 1 ? rest : 1.0F - rest;
  const float least = cut_off(high * (1.0F - saturation) + 0.5F), between = cut_off(high * (1.0F - saturation * lack) + 0.5F);
  p.value[0] = sector == 0 || sector == 5 ? high : sector == 1 || sector == 4 ? between : least;
  p.value[1] = sector == 1 || sector == 2 ? high : sector == 0 || sector == 3 ? between : least;
  p.value[2] = sector == 3 || sector == 4 ? high : sector == 2 || sector == 5 ? between : least;
}

/// `mean`: of the luma before the step, which contrast blends with.
template <int channels>
SELFSIGHT_DEVICE void change(Values<channels>& p, const ColourChange& step, float mean) {
  using data::Colour;
  if (step.kind == Colour::brightness || step.kind == Colour::contrast) {
    for (float& value : p.value) value = blend(step.kind == Colour::contrast ? mean : 0.0F, value, step.amount);
  } else if (step.kind == Colour::solarize) {
    for (float& value : p.value) value = value >= step.amount ? 255.0F - value : value;
  } else if constexpr (channels == 3) {
    if (step.kind == Colour::hue) {
      shift_hue(p, step.amount);
    } else {
      const float grey = luma(p);
      for (float& value : p.value) value = step.kind == Colour::grey ? grey : blend(grey, value, step.amount);
    }
  }
}

template <int channels>
SELFSIGHT_DEVICE void change_all(Values<channels>& p, const ColourChange* steps, std::int32_t count, float mean) {
  for (std::int32_t i = 0; i < count; ++i) change(p, steps[i], mean);
}

template <int channels>
SELFSIGHT_DEVICE Values<channels> load(const StoredPixel<channels>& stored) {
  Values<channels> out;
  for (int c = 0; c < channels; ++c) out.value[c] = stored.value[c];
  return out;
}

/// Whole numbers of 0..255.
template <int channels>
SELFSIGHT_DEVICE StoredPixel<channels> pack(const Values<channels>& p) {
  StoredPixel<channels> out{};
  for (int c = 0; c < channels; ++c) out.value[c] = static_cast<std::uint8_t>(static_cast<std::int32_t>(p.value[c]));
  return out;
}

template <int channels>
SELFSIGHT_DEVICE Values<channels> nearest_whole(Values<channels> p) {
  for (float& value : p.value) value = rounded(value);
  return p;
}

/// The sum of `taps` pixels, `stride` values apart, by their weights; kept within 0..255, as bicubic weights need.
template <int channels, typename From>
SELFSIGHT_DEVICE Values<channels> weighted(const From* from, std::int32_t stride, const float* weights, std::int32_t taps) {
  Values<channels> sum{};
  for (std::int32_t t = 0; t < taps; ++t, from += stride)
    for (int c = 0; c < channels; ++c) sum.value[c] = std::fma(static_cast<float>(from[c]), weights[t], sum.value[c]);
  for (float& value : sum.value) value = clamped(value);
  return sum;
}

/// Fills one direction's tables; mirrored, value x of the view is value size - 1 - x of what is made. Not inlined: its division in double
/// precision would take registers from the passes that follow.
template <Along along, typename Run>
[[gnu::noinline]] SELFSIGHT_DEVICE void tabulate(const Run& run, const data::Sampling& by, std::int32_t window, bool mirrored,
                                                 const Tables& tables) {
  run.for_each(tables.size, [&by, window, mirrored, tables](std::int32_t x) {
    const std::int64_t i = window + (mirrored ? tables.size - 1 - x : x), low = by.low(i), high = by.high(i), start = by.start(i);
    tables.first(along, x) = static_cast<std::int32_t>(by.shift + start);
    double sum = 0;
    for (std::int64_t s = low; s < high; ++s) sum += by.weight(i, s);
    float* weights = tables.weights(along, x);
    for (std::int64_t s = start; s < start + by.taps; ++s) {
      const bool counts = s >= low && s < high;
      weights[s - start] = counts ? static_cast<float>(by.weight(i, s) / (sum != 0 ? sum : 1.0)) : 0.0F;
    }
  });
}

/// The sources of values [at, at + count).
template <Along along>
SELFSIGHT_DEVICE Lines sources(const Tables& tables, std::int32_t at, std::int32_t count) {
  const std::int32_t one = tables.first(along, at), other = tables.first(along, at + count - 1);  // mirrored, the last comes first
  return {one < other ? one : other, (one < other ? other - one : one - other) + tables.taps(along)};
}

SELFSIGHT_DEVICE inline std::int32_t smaller(std::int32_t a, std::int32_t b) { return a < b ? a : b; }

/// How many neighbouring values of the result have, all together, no more than `room` sources; at least 1.
SELFSIGHT_DEVICE inline std::int32_t values_from(std::int32_t taps, double scale, std::int32_t room) {
  const double more = (room - taps - 2) / scale;
  return more < 0 ? 1 : more < 1e6 ? 1 + static_cast<std::int32_t>(more) : 1000000;
}

/// Resizes in two passes by bands of the second pass's direction and strips of the first's, as much at a time as `middle` holds.
template <bool down_first, int channels, typename Run>
SELFSIGHT_DEVICE void resize(const Run& run, const ViewTask& task, const Tables& tables, float* middle, StoredPixel<channels>* image) {
  constexpr Along second = down_first ? Along::rows : Along::columns;
  constexpr std::int32_t room = middle_values / channels;
  constexpr std::int32_t narrowest = 16;  // strips that are wide enough for neighbouring threads to read neighbouring pixels
  const std::uint8_t* const picture = task.picture;
  const std::int32_t size = task.size, row = task.width * channels;
  const std::int32_t most = values_from(tables.taps(second), (down_first ? task.across : task.down).scale, room / narrowest);
  auto* const pixels = reinterpret_cast<Values<channels>*>(middle);
  for (std::int32_t at = 0, band = 0; at < size; at += band) {
    band = smaller(most, size - at);
    const Lines lines = sources<second>(tables, at, band);
    for (std::int32_t from = 0, strip = 0; from < size; from += strip) {
      strip = smaller(room / lines.count, size - from);
      if constexpr (down_first) {
        run.for_each(strip * lines.count, [=](std::int32_t i) {
          const std::int32_t y = from + i / lines.count, x = lines.begin + i % lines.count;
          const std::uint8_t* source =
              picture + static_cast<std::int64_t>(tables.first(Along::columns, y)) * row + static_cast<std::int64_t>(x) * channels;
          pixels[i] = weighted<channels>(source, row, tables.weights(Along::columns, y), tables.column_taps);
        });
        run.for_each(strip * band, [=](std::int32_t i) {
          const std::int32_t y = i / band, x = at + i % band;
          const float* source = middle + (y * lines.count + tables.first(Along::rows, x) - lines.begin) * channels;
          image[(from + y) * size + x] =
              pack(nearest_whole(weighted<channels>(source, channels, tables.weights(Along::rows, x), tables.row_taps)));
        });
      } else {
        run.for_each(lines.count * strip, [=](std::int32_t i) {
          const std::int32_t y = lines.begin + i / strip, x = from + i % strip;
          const std::uint8_t* source =
              picture + static_cast<std::int64_t>(y) * row + static_cast<std::int64_t>(tables.first(Along::rows, x)) * channels;
          pixels[i] = weighted<channels>(source, channels, tables.weights(Along::rows, x), tables.row_taps);
        });
        run.for_each(band * strip, [=](std::int32_t i) {
          const std::int32_t y = at + i / strip, x = i % strip;
          const float* source = middle + ((tables.first(Along::columns, y) - lines.begin) * strip + x) * channels;
          image[y * size + from + x] =
              pack(nearest_whole(weighted<channels>(source, strip * channels, tables.weights(Along::columns, y), tables.column_taps)));
        });
      }
    }
  }
}

/// Pixels as they are, or mirrored; black outside of the picture.
template <int channels, typename Run>
SELFSIGHT_DEVICE void copy(const Run& run, const ViewTask& task, StoredPixel<channels>* image) {
  const std::uint8_t* const picture = task.picture;
  const std::int32_t size = task.size, height = task.height, width = task.width, left = task.left, top = task.top;
  const bool flip = task.flip;
  run.for_each(size * size, [=](std::int32_t i) {
    const std::int32_t column = i % size, y = top + i / size, x = left + (flip ? size - 1 - column : column);
    StoredPixel<channels> pixel{};
    if (y >= 0 && y < height && x >= 0 && x < width) {
      const std::uint8_t* from = picture + (static_cast<std::int64_t>(y) * width + x) * channels;
      for (int c = 0; c < channels; ++c) pixel.value[c] = from[c];
    }
    image[i] = pixel;
  });
}

/// Reflection without the edge itself.
SELFSIGHT_DEVICE inline std::int32_t reflected(std::int32_t i, std::int32_t side) {
  return i < 0 ? -i : i >= side ? 2 * (side - 1) - i : i;
}

template <int channels, typename Out>
SELFSIGHT_DEVICE void put(const Values<channels>& p, const Normalisation& normalisation, Out* out) {
  for (int c = 0; c < channels; ++c) out[c] = static_cast<Out>((p.value[c] - normalisation.mean[c]) / normalisation.stddev[c]);
}

/// Makes the view: `out` of the task in channels-last order. `middle` has middle_values floats of the block's fastest memory, `scratch`
/// what scratch_bytes() says. Out: float, or a type of 16 bits that a float converts to.
template <int channels, typename Out, typename Run>
SELFSIGHT_DEVICE void make_view(const Run& run, const ViewTask& task, const Normalisation& normalisation, float* middle,
                                std::byte* scratch) {
  using data::Colour;
  const std::int32_t size = task.size, pixels = size * size;
  auto* const image = reinterpret_cast<StoredPixel<channels>*>(scratch);
  auto* const out = static_cast<Out*>(task.out);
  if (task.keeps_pixels) {
    copy(run, task, image);
  } else {
    const std::int32_t image_words = (pixels * static_cast<std::int32_t>(sizeof *image) + 3) / 4;
    const Tables tables{reinterpret_cast<std::int32_t*>(scratch) + image_words, size, static_cast<std::int32_t>(task.across.taps),
                        static_cast<std::int32_t>(task.down.taps)};
    tabulate<Along::rows>(run, task.across, task.left, task.flip, tables);
    tabulate<Along::columns>(run, task.down, task.top, false, tables);
    if (task.down_first) {
      resize<true>(run, task, tables, middle, image);
    } else {
      resize<false>(run, task, tables, middle, image);
    }
  }

  // Contrast needs the mean of what the steps before it make. They are gone through twice, which costs less than to store what they make.
  const ColourChange* const changes = task.changes;
  const std::int32_t before = task.before, after = task.after, reach = task.reach;
  float mean = 0;
  for (std::int32_t k = 0; k < before; ++k) {
    if (changes[k].kind != Colour::contrast) continue;
    const std::int64_t sum = run.sum(pixels, [=](std::int32_t i) {
      Values<channels> p = load(image[i]);
      change_all(p, changes, k, 0.0F);
      return static_cast<std::int32_t>(luma(p));
    });
    mean = static_cast<float>(static_cast<std::int32_t>(static_cast<double>(sum) / static_cast<double>(pixels) + 0.5));
  }
  if (reach < 0) {
    run.for_each(pixels, [=, &normalisation](std::int32_t i) {
      Values<channels> p = load(image[i]);
      change_all(p, changes, before, mean);
      put(p, normalisation, out + static_cast<std::int64_t>(i) * channels);
    });
    return;
  }

  if (before > 0) {
    run.for_each(pixels, [=](std::int32_t i) {
      Values<channels> p = load(image[i]);
      change_all(p, changes, before, mean);
      image[i] = pack(p);
    });
  }
  const float* const taps = task.taps;
  for (std::int32_t from = 0, strip = 0; from < size; from += strip) {
    strip = smaller(middle_values / channels / size, size - from);
    run.for_each(size * strip, [=](std::int32_t i) {
      const std::int32_t y = i / strip, x = from + i % strip;
      Values<channels> sum{};
      for (std::int32_t t = -reach; t <= reach; ++t) {
        const Values<channels> p = load(image[y * size + reflected(x + t, size)]);
        for (int c = 0; c < channels; ++c) sum.value[c] = std::fma(p.value[c], taps[reach + t], sum.value[c]);
      }
      for (float& value : sum.value) value = clamped(value);
      reinterpret_cast<Values<channels>*>(middle)[i] = sum;
    });
    run.for_each(size * strip, [=, &normalisation](std::int32_t i) {
      const std::int32_t y = i / strip, x = i % strip;
      Values<channels> sum{};
      for (std::int32_t t = -reach; t <= reach; ++t) {
        const Values<channels> p = reinterpret_cast<const Values<channels>*>(middle)[reflected(y + t, size) * strip + x];
        for (int c = 0; c < channels; ++c) sum.value[c] = std::fma(p.value[c], taps[reach + t], sum.value[c]);
      }
      for (float& value : sum.value) value = clamped(value);
      Values<channels> p = nearest_whole(sum);
      change_all(p, changes + before, after, 0.0F);
      put(p, normalisation, out + (static_cast<std::int64_t>(y) * size + from + x) * channels);
    });
  }
}

}  // namespace selfsight::kernels
