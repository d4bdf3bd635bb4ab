#include "metrics/boundary.h"

#include "core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

using namespace selfsight;
using namespace selfsight::metrics;

namespace {

/// A mask pixel by pixel, and the definitions in plain loops over it.
struct Plain {
  std::int64_t height, width;
  std::vector<std::uint16_t> labels;
  Plain(std::int64_t h, std::int64_t w) : height(h), width(w), labels(static_cast<std::size_t>(h * w)) {}
  std::uint16_t& operator()(std::int64_t y, std::int64_t x) { return labels[static_cast<std::size_t>(y * width + x)]; }
  [[nodiscard]] bool on(std::int64_t y, std::int64_t x) const { return labels[static_cast<std::size_t>(y * width + x)] != 0; }
  [[nodiscard]] LabelView view() const { return {height, width, labels}; }
  [[nodiscard]] BitPlane plane() const {
    BitPlane plane = planes_of(view(), 1)[0];
    return plane.height() > 0 ? plane : BitPlane(height, width);
  }
};

Plain plain_boundary(const Plain& mask) {
  Plain out(mask.height, mask.width);
  const std::int64_t bottom = mask.height - 1, right = mask.width - 1;
  for (std::int64_t y = 0; y <= bottom; ++y) {
    for (std::int64_t x = 0; x <= right; ++x) {
      const bool self = mask.on(y, x);
      bool edge = false;
      if (x < right) edge = edge || mask.on(y, x + 1) != self;
      if (y < bottom) edge = edge || mask.on(y + 1, x) != self;
      if (x < right && y < bottom) edge = edge || mask.on(y + 1, x + 1) != self;
      out(y, x) = edge ? 1 : 0;
    }
  }
  return out;
}

Plain plain_dilation(const Plain& mask, std::int64_t radius) {
  Plain out(mask.height, mask.width);
  for (std::int64_t y = 0; y < mask.height; ++y)
    for (std::int64_t x = 0; x < mask.width; ++x)
      for (std::int64_t v = std::max<std::int64_t>(0, y - radius); v < std::min(mask.height, y + radius + 1); ++v)
        for (std::int64_t u = std::max<std::int64_t>(0, x - radius); u < std::min(mask.width, x + radius + 1); ++u)
          if (mask.on(v, u) && (v - y) * (v - y) + (u - x) * (u - x) <= radius * radius) out(y, x) = 1;
  return out;
}

std::int64_t plain_count(const Plain& mask) { return std::count(mask.labels.begin(), mask.labels.end(), 1); }

double plain_f(const Plain& truth, const Plain& prediction, std::int64_t radius) {
  const Plain a = plain_boundary(truth), b = plain_boundary(prediction);
  const Plain near_a = plain_dilation(a, radius), near_b = plain_dilation(b, radius);
  const std::int64_t n_a = plain_count(a), n_b = plain_count(b);
  if (n_a == 0 && n_b == 0) return 1;
  if (n_a == 0 || n_b == 0) return 0;
  std::int64_t match_a = 0, match_b = 0;
  for (std::size_t i = 0; i < a.labels.size(); ++i) match_a += a.labels[i] & near_b.labels[i], match_b += b.labels[i] & near_a.labels[i];
  const double precision = static_cast<double>(match_b) / static_cast<double>(n_b);
  const double recall = static_cast<double>(match_a) / static_cast<double>(n_a);
  return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
}

bool same(const BitPlane& a, const Plain& b) {
  for (std::int64_t y = 0; y < b.height; ++y)
    for (std::int64_t x = 0; x < b.width; ++x)
      if (a.at(y, x) != b.on(y, x)) return false;
  return count(a) == plain_count(b);
}

/// Noise, rectangles, nothing, everything, or one pixel.
Plain draw(core::Rng& rng, std::int64_t height, std::int64_t width) {
  Plain mask(height, width);
  const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(n))); };
  switch (rng.below(6)) {
    case 0:
      break;
    case 1:
      std::fill(mask.labels.begin(), mask.labels.end(), 1);
      break;
    case 2:
      mask(below(height), below(width)) = 1;
      break;
    case 3: {
      const double density = rng.uniform();
      for (auto& label : mask.labels) label = rng.chance(density) ? 1 : 0;
      break;
    }
    default:
      for (int k = 0; k < 3; ++k) {
        const std::int64_t y0 = below(height), x0 = below(width), y1 = y0 + 1 + below(height - y0), x1 = x0 + 1 + below(width - x0);
        for (std::int64_t y = y0; y < y1; ++y)
          for (std::int64_t x = x0; x < x1; ++x) mask(y, x) = 1;
      }
  }
  return mask;
}

std::int64_t draw_side(core::Rng& rng) {
  constexpr std::int64_t sides[] = {1, 2, 3, 7, 31, 63, 64, 65, 127, 128, 129, 150};
  return sides[rng.below(std::size(sides))];
}

}  // namespace

TEST_CASE("boundaries, dilations and F agree with plain loops, thousands of times") {
  core::Rng rng(2, core::Stream::test);
  for (int round = 0; round < 4000; ++round) {
    const std::int64_t width = draw_side(rng), height = 1 + static_cast<std::int64_t>(rng.below(20));
    const auto radius = static_cast<std::int64_t>(rng.below(12));
    const Plain a = draw(rng, height, width), b = draw(rng, height, width);
    CAPTURE(width);
    CAPTURE(height);
    CAPTURE(radius);
    REQUIRE(same(a.plane(), a));
    const Plain edge = plain_boundary(a);
    REQUIRE(same(boundary_of(a.plane()), edge));
    REQUIRE(same(dilate(a.plane(), radius), plain_dilation(a, radius)));
    REQUIRE(boundary_f(Boundary(a.plane(), radius), Boundary(b.plane(), radius)) == plain_f(a, b, radius));
  }
}

TEST_CASE("the cases that the measure defines") {
  const auto f = [](const Plain& a, const Plain& b) { return boundary_f(Boundary(a.plane(), 2), Boundary(b.plane(), 2)); };
  Plain empty(20, 30), full(20, 30), dot(20, 30), corner(20, 30), far(20, 30);
  std::fill(full.labels.begin(), full.labels.end(), 1);
  dot(5, 5) = 1, corner(19, 29) = 1, far(15, 25) = 1;
  CHECK(f(empty, empty) == 1);
  CHECK(f(full, full) == 1);
  CHECK(f(full, empty) == 1);  // neither has a boundary
  CHECK(f(dot, dot) == 1);
  CHECK(f(dot, empty) == 0);
  CHECK(f(empty, dot) == 0);
  CHECK(f(dot, far) == 0);
  CHECK(count(boundary_of(dot.plane())) == 4);     // itself and its upper, left and upper-left neighbours
  CHECK(count(boundary_of(corner.plane())) == 3);  // the last pixel is never one
  CHECK(boundary_f(Boundary(), Boundary()) == 1);  // a label that no frame holds
  CHECK(boundary_f(Boundary(), Boundary(dot.plane(), 1)) == 0);
  const Plain one(1, 1);
  CHECK(f(one, one) == 1);
}

TEST_CASE("the tolerance is 0.8 percent of the diagonal, rounded up") {
  CHECK(boundary_radius(480, 854) == 8);
  CHECK(boundary_radius(1080, 1920) == 18);
  CHECK(boundary_radius(75, 100) == 1);  // exactly 1
  CHECK(boundary_radius(1, 1) == 1);
  CHECK(boundary_radius(300, 400) == 4);
}
