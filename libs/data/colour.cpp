#include "data/lanes.h"
#include "data/ops.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace selfsight::data {
namespace {

using Table = std::array<std::uint8_t, 256>;

// Whole numbers of 0..255 by colour planes. Steps follow each other in them without a trip to memory.
constexpr int wide = 8;  // lanes of eight pixels that a step works on at a time
constexpr std::int64_t block = wide * lanes;
struct Planes {
  Lanes r[wide], g[wide], b[wide];
};

void load(Planes& p, const std::uint8_t* rgb) {
  for (int k = 0; k < wide; ++k) load_pixels(rgb + 3 * k * lanes, p.r[k], p.g[k], p.b[k]);
}

void store(const Planes& p, std::uint8_t* rgb) {
  for (int k = 0; k < wide; ++k) store_pixels(p.r[k], p.g[k], p.b[k], rgb + 3 * k * lanes);
}

// PIL's blend of values with degenerate ones, in single precision; what leaves 0..255 is cut off, and the rest towards zero.
Lanes blend(Lanes degenerate, Lanes value, float factor) { return cut_off(clamped(degenerate + factor * (value - degenerate))); }

// luma() in floats, exact: no product or sum of it reaches 2^24.
Lanes luma(Lanes r, Lanes g, Lanes b) { return cut_off((19595.0F * r + 38470.0F * g + 7471.0F * b + 32768.0F) * (1.0F / 65536.0F)); }

void blend_with(Planes& p, float degenerate, float factor) {
  const Lanes other = all_lanes(degenerate);
  for (int k = 0; k < wide; ++k) {
    p.r[k] = blend(other, p.r[k], factor);
    p.g[k] = blend(other, p.g[k], factor);
    p.b[k] = blend(other, p.b[k], factor);
  }
}

void saturate(Planes& p, float factor) {
  for (int k = 0; k < wide; ++k) {
    const Lanes grey = luma(p.r[k], p.g[k], p.b[k]);
    p.r[k] = blend(grey, p.r[k], factor);
    p.g[k] = blend(grey, p.g[k], factor);
    p.b[k] = blend(grey, p.b[k], factor);
  }
}

// There and back through PIL's 8-bit HSV, whose three parts are whole numbers of 0..255. PIL computes some of it in double precision; these
// expressions give the same for each of the 2^24 colours, both ways (a test goes through them).
void shift_hue(Planes& p, float steps) {
  const Lanes zero = {}, one = all_lanes(1);
  for (int k = 0; k < wide; ++k) {
    const Lanes r = p.r[k], g = p.g[k], b = p.b[k];
    const Lanes high = largest_of(largest_of(r, g), b), low = least_of(least_of(r, g), b), range = high - low;
    const Lanes share = (high - (r + g + b - high - low)) / largest_of(range, one);
    const Lanes base = r == high ? zero : g == high ? all_lanes(2) : all_lanes(4);
    const Lanes behind = r == high ? b : g == high ? r : g;
    const Lanes angle = (behind == low ? base + 1.0F - share : base - 1.0F + share) / 6.0F;
    const Lanes turn = angle < zero ? 1.0F + angle : angle;
    const Lanes saturation = cut_off(range / largest_of(high, one) * 255.0F) * (1.0F / 255.0F);
    const Lanes moved = cut_off(turn * 255.0F) + steps;

    const Lanes place = (moved >= 256.0F ? moved - 256.0F : moved) * 6.0F / 255.0F;
    const Lanes begun = cut_off(place), rest = place - begun;
    const Lanes sector = begun == 6.0F ? zero : begun;
    const auto is = [&](float number, float other) { return (sector == number) | (sector == other); };
    const Lanes lack = (is(1, 3) | (sector == 5.0F)) ? rest : 1.0F - rest;
    const Lanes least = cut_off(high * (1.0F - saturation) + 0.5F), between = cut_off(high * (1.0F - saturation * lack) + 0.5F);
    p.r[k] = is(0, 5) ? high : is(1, 4) ? between : least;
    p.g[k] = is(1, 2) ? high : is(0, 3) ? between : least;
    p.b[k] = is(3, 4) ? high : is(2, 5) ? between : least;
  }
}

void lose_colour(Planes& p) {
  for (int k = 0; k < wide; ++k) p.r[k] = p.g[k] = p.b[k] = luma(p.r[k], p.g[k], p.b[k]);
}

void invert_from(Planes& p, float threshold) {
  for (auto* plane : {p.r, p.g, p.b})
    for (int k = 0; k < wide; ++k) plane[k] = plane[k] >= threshold ? 255.0F - plane[k] : plane[k];
}

// Of the first `count` pixels.
std::int64_t sum_of_luma(const Planes& p, std::int64_t count) {
  float values[block];
  Lanes sum = {};
  for (int k = 0; k < wide; ++k) {
    const Lanes value = luma(p.r[k], p.g[k], p.b[k]);
    sum += value;
    store_lanes(value, values + k * lanes);
  }
  if (count == block) store_lanes(sum, values);
  return static_cast<std::int64_t>(std::accumulate(values, values + (count == block ? lanes : count), 0.0F));
}

// `mean`: of the luma before the step, which contrast blends with.
void change(Planes& p, const ColourStep& step, float mean) {
  const auto amount = static_cast<float>(step.amount);
  switch (step.kind) {
    case Colour::brightness:
      return blend_with(p, 0, amount);
    case Colour::contrast:
      return blend_with(p, mean, amount);
    case Colour::saturation:
      return saturate(p, amount);
    case Colour::hue:
      return shift_hue(p, static_cast<float>(static_cast<std::uint8_t>(static_cast<int>(step.amount * 255))));
    case Colour::grey:
      return lose_colour(p);
    case Colour::solarize:
      return invert_from(p, amount);
  }
}

// All steps in one pass over the pixels. Returns the sum of the result's luma if that is asked for.
std::int64_t change_all(Pixels image, std::span<const ColourStep> steps, float mean, bool want_sum) {
  const std::int64_t count = image.height * image.width;
  std::int64_t sum = 0;
  for (std::int64_t at = 0; at < count; at += block) {
    const std::int64_t here = std::min(block, count - at);
    std::uint8_t* pixels = image.data + 3 * at;
    std::uint8_t rest[3 * block] = {};
    if (here < block) std::copy_n(pixels, 3 * here, rest);
    Planes planes;
    load(planes, here < block ? rest : pixels);
    for (const ColourStep& step : steps) change(planes, step, mean);
    if (want_sum) sum += sum_of_luma(planes, here);
    if (steps.empty()) continue;
    store(planes, here < block ? rest : pixels);
    if (here < block) std::copy_n(rest, 3 * here, pixels);
  }
  return sum;
}

// Of one channel every step is a table of 256 values, and so are all steps in a row.
std::int64_t change_grey(Pixels image, std::span<const ColourStep> steps, float mean, bool want_sum) {
  Table table;
  for (std::size_t v = 0; v < table.size(); ++v) {
    auto value = static_cast<float>(v);
    for (const ColourStep& step : steps) {
      const auto amount = static_cast<float>(step.amount);
      if (step.kind == Colour::brightness || step.kind == Colour::contrast) {
        value = blend(all_lanes(step.kind == Colour::contrast ? mean : 0), all_lanes(value), amount)[0];
      } else if (step.kind == Colour::solarize) {
        value = value >= amount ? 255 - value : value;
      }
    }
    table[v] = static_cast<std::uint8_t>(static_cast<int>(value));
  }
  std::int64_t sum = 0;
  for (std::uint8_t& value : std::span(image.data, static_cast<std::size_t>(image.height * image.width))) {
    value = table[value];
    if (want_sum) sum += value;
  }
  return sum;
}

}  // namespace

void recolour(Pixels image, std::span<const ColourStep> steps) {
  if (steps.empty() || image.height * image.width == 0) return;
  const auto pass = image.channels == 1 ? change_grey : change_all;
  const auto contrast_from = [&](auto from) {
    return std::find_if(from, steps.end(), [](const ColourStep& step) { return step.kind == Colour::contrast; });
  };
  // Contrast needs the mean of what the steps before it have made, so every contrast begins a pass of its own.
  float mean = 0;
  for (auto from = steps.begin(), to = contrast_from(from);;) {
    const std::int64_t sum = pass(image, {from, to}, mean, to != steps.end());
    if (to == steps.end()) return;
    mean = static_cast<float>(static_cast<int>(static_cast<double>(sum) / static_cast<double>(image.height * image.width) + 0.5));
    from = to;
    to = contrast_from(from + 1);
  }
}

}  // namespace selfsight::data
