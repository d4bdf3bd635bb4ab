#include "metrics/boundary.h"

#include "core/error.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace selfsight::metrics {

namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

/// Word i of a row in which every pixel has the value of its right neighbour, 0 behind the last.
std::uint64_t right_neighbours(const std::uint64_t* row, std::int64_t i, std::int64_t words) {
  return row[i] >> 1 | (i + 1 < words ? row[i + 1] << 63 : 0);
}

bool is_empty(const std::uint64_t* row, std::int64_t words) {
  return std::all_of(row, row + words, [](std::uint64_t word) { return word == 0; });
}

}  // namespace

BitPlane::BitPlane(std::int64_t height, std::int64_t width)
    : height_(height), width_(width), words_((width + 63) / 64), bits_(static_cast<std::size_t>(height * words_)) {}

void BitPlane::set_run(std::int64_t y, std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  std::uint64_t* words = row(y);
  const std::int64_t first = begin / 64, last = (end - 1) / 64;
  const std::uint64_t head = all_ones << (begin % 64), tail = all_ones >> (63 - (end - 1) % 64);
  if (first == last) {
    words[first] |= head & tail;
    return;
  }
  words[first] |= head;
  std::fill(words + first + 1, words + last, all_ones);
  words[last] |= tail;
}

std::vector<BitPlane> planes_of(const LabelView& image, std::int64_t count) {
  std::vector<BitPlane> planes(static_cast<std::size_t>(count));
  for_each_run(image, [&](std::uint16_t label, std::int64_t y, std::int64_t begin, std::int64_t end) {
    if (label == 0 || label > count) return;
    BitPlane& plane = planes[label - std::size_t{1}];
    if (plane.height() == 0) plane = BitPlane(image.height, image.width);
    plane.set_run(y, begin, end);
  });
  return planes;
}

BitPlane boundary_of(const BitPlane& mask) {
  BitPlane out(mask.height(), mask.width());
  const std::int64_t words = mask.words();
  const std::uint64_t last_pixel = std::uint64_t{1} << ((mask.width() - 1) & 63);
  for (std::int64_t y = 0; y + 1 < mask.height(); ++y) {
    const std::uint64_t *here = mask.row(y), *below = mask.row(y + 1);
    std::uint64_t* to = out.row(y);
    for (std::int64_t i = 0; i < words; ++i)
      to[i] = (here[i] ^ right_neighbours(here, i, words)) | (here[i] ^ below[i]) | (here[i] ^ right_neighbours(below, i, words));
    const std::int64_t end = words - 1;
    to[end] = (to[end] & ~last_pixel) | ((here[end] ^ below[end]) & last_pixel);
  }
  if (mask.height() > 0 && words > 0) {
    const std::uint64_t* here = mask.row(mask.height() - 1);
    std::uint64_t* to = out.row(mask.height() - 1);
    for (std::int64_t i = 0; i < words; ++i) to[i] = here[i] ^ right_neighbours(here, i, words);
    to[words - 1] &= ~last_pixel;
  }
  return out;
}

BitPlane dilate(const BitPlane& mask, std::int64_t radius) {
  const std::int64_t words = mask.words(), height = mask.height();
  BitPlane out(height, mask.width());
  // A row of the disk at distance dy is 2 * half[dy] + 1 pixels wide. Going from its rim to its middle the widths grow, so one row is
  // widened step by step and added to the rows above and below on the way.
  std::vector<std::int64_t> half(static_cast<std::size_t>(radius + 1));
  for (std::int64_t dy = radius, w = 0; dy >= 0; --dy) {
    while ((w + 1) * (w + 1) + dy * dy <= radius * radius) ++w;
    half[static_cast<std::size_t>(dy)] = w;
  }
  // A word of zeros at either end stands for what lies outside.
  std::vector<std::uint64_t> now(static_cast<std::size_t>(words + 2)), wider(static_cast<std::size_t>(words + 2));
  for (std::int64_t y = 0; y < height; ++y) {
    if (is_empty(mask.row(y), words)) continue;
    std::copy_n(mask.row(y), words, now.begin() + 1);
    std::int64_t width = 0;
    for (std::int64_t dy = radius; dy >= 0; --dy) {
      for (; width < half[static_cast<std::size_t>(dy)]; ++width) {
        const std::uint64_t* from = now.data() + 1;
        std::uint64_t* to = wider.data() + 1;
        for (std::int64_t i = 0; i < words; ++i) to[i] = from[i] | from[i] << 1 | from[i - 1] >> 63 | from[i] >> 1 | from[i + 1] << 63;
        now.swap(wider);
      }
      for (const std::int64_t target : {y - dy, y + dy}) {
        if (target < 0 || target >= height) continue;
        std::uint64_t* to = out.row(target);
        for (std::int64_t i = 0; i < words; ++i) to[i] |= now[static_cast<std::size_t>(i + 1)];
      }
    }
  }
  if (mask.width() % 64 != 0)
    for (std::int64_t y = 0; y < height; ++y) out.row(y)[words - 1] &= all_ones >> (64 - mask.width() % 64);
  return out;
}

std::int64_t count(const BitPlane& mask) {
  std::int64_t sum = 0;
  const std::uint64_t* bits = mask.row(0);
  for (std::int64_t i = 0; i < mask.height() * mask.words(); ++i) sum += std::popcount(bits[i]);
  return sum;
}

std::int64_t common(const BitPlane& a, const BitPlane& b) {
  if (a.height() == 0 || b.height() == 0) return 0;
  std::int64_t sum = 0;
  const std::uint64_t *bits_a = a.row(0), *bits_b = b.row(0);
  for (std::int64_t i = 0; i < a.height() * a.words(); ++i) sum += std::popcount(bits_a[i] & bits_b[i]);
  return sum;
}

std::int64_t boundary_radius(std::int64_t height, std::int64_t width, double tolerance) {
  const double diagonal = std::sqrt(static_cast<double>(height * height + width * width));
  return static_cast<std::int64_t>(std::ceil(tolerance * diagonal));
}

Boundary::Boundary(const BitPlane& mask, std::int64_t radius) {
  if (mask.height() == 0) return;
  line = boundary_of(mask);
  pixels = count(line);
  if (pixels > 0) near = dilate(line, radius);
}

double boundary_f(const Boundary& truth, const Boundary& prediction) {
  if (truth.pixels == 0 && prediction.pixels == 0) return 1;
  if (truth.pixels == 0 || prediction.pixels == 0) return 0;
  const double precision = static_cast<double>(common(prediction.line, truth.near)) / static_cast<double>(prediction.pixels);
  const double recall = static_cast<double>(common(truth.line, prediction.near)) / static_cast<double>(truth.pixels);
  return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
}

}  // namespace selfsight::metrics
