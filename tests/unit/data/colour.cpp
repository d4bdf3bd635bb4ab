// Changes of colour against the plain formulas of PIL, and the blur against sums in double precision.
#include "data/ops.h"
#include "unit/data/support.h"

#include <array>
#include <cmath>

namespace selfsight::data {
namespace {

using Rgb = std::array<std::uint8_t, 3>;

std::uint8_t clip(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// PIL's rgb2hsv, a change of the hue by `steps`, and hsv2rgb, in the precision that each of its expressions has there.
Rgb turned(const Rgb& in, int steps) {
  const int r = in[0], g = in[1], b = in[2], high = std::max({r, g, b}), low = std::min({r, g, b});
  int hue = 0, saturation = 0;
  if (high != low) {
    const auto range = static_cast<float>(high - low);
    const float rc = static_cast<float>(high - r) / range, gc = static_cast<float>(high - g) / range,
                bc = static_cast<float>(high - b) / range;
    float h = 0;
    if (r == high) {
      h = bc - gc;
    } else if (g == high) {
      h = static_cast<float>(2.0 + rc - bc);
    } else {
      h = static_cast<float>(4.0 + gc - rc);
    }
    h = static_cast<float>(std::fmod(h / 6.0 + 1.0, 1.0));
    hue = clip(static_cast<int>(h * 255.0));
    saturation = clip(static_cast<int>(range / static_cast<float>(high) * 255.0));
  }
  hue = (hue + steps) % 256;
  const auto v = static_cast<std::uint8_t>(high);
  if (saturation == 0) return {v, v, v};
  const double place = static_cast<float>(hue) * 6.0 / 255.0;
  const int sector = static_cast<int>(std::floor(place));
  const auto rest = static_cast<float>(place - sector), s = static_cast<float>(saturation / 255.0);
  const auto part = [&](double share) { return clip(static_cast<int>(high * share + 0.5)); };
  const std::uint8_t p = part(1.0 - s), q = part(1.0 - s * rest), t = part(1.0 - s * (1.0 - rest));
  const std::array<Rgb, 6> ways = {Rgb{v, t, p}, Rgb{q, v, p}, Rgb{p, v, t}, Rgb{p, q, v}, Rgb{t, p, v}, Rgb{v, p, q}};
  return ways[static_cast<std::size_t>(sector % 6)];
}

Image recoloured(Image image, const std::vector<ColourStep>& steps) {
  recolour(image, steps);
  return image;
}

}  // namespace

TEST_CASE("a shift of the hue is PIL's for every colour there is") {
  Image plane(256, 256, 3);
  for (int r = 0; r < 256; ++r) {
    for (std::int64_t g = 0; g < 256; ++g)
      for (std::int64_t b = 0; b < 256; ++b) {
        std::uint8_t* pixel = plane.row(g) + 3 * b;
        pixel[0] = static_cast<std::uint8_t>(r), pixel[1] = static_cast<std::uint8_t>(g), pixel[2] = static_cast<std::uint8_t>(b);
      }
    const int steps = r * 37 % 127 + 1;  // not 0
    const Image made = recoloured(plane, {{Colour::hue, (steps + 0.5) / 255}});
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < plane.pixels.size(); i += 3) {
      const Rgb expected = turned({plane.pixels[i], plane.pixels[i + 1], plane.pixels[i + 2]}, steps);
      wrong += !std::equal(expected.begin(), expected.end(), made.pixels.begin() + static_cast<std::ptrdiff_t>(i));
    }
    CAPTURE(r);
    REQUIRE(wrong == 0);
  }
}

TEST_CASE("steps in a row are each step by itself, whatever their order and the image's size") {
  const std::vector<ColourStep> steps = {{Colour::contrast, 1.6}, {Colour::brightness, 0.7}, {Colour::saturation, 1.8},
                                         {Colour::hue, -0.13},    {Colour::contrast, 0.4},   {Colour::grey, 0},
                                         {Colour::solarize, 90}};
  core::Rng rng(1, core::Stream::test);
  for (const auto& [height, width] : {std::pair{1, 1}, std::pair{7, 9}, std::pair{8, 8}, std::pair{3, 43}, std::pair{28, 28}})
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<ColourStep> some = steps;
      rng.shuffle(some);
      some.resize(1 + rng.below(some.size()));
      for (const std::int64_t channels : {1, 3}) {
        Image one(height, width, channels);
        for (std::uint8_t& value : one.pixels) value = static_cast<std::uint8_t>(rng.below(256));
        const Image all = recoloured(one, some);
        for (const ColourStep& step : some) recolour(one, {&step, 1});
        CHECK(all.pixels == one.pixels);
      }
    }
  const Image image = noise(3, 5, 5);
  CHECK(recoloured(image, {}).pixels == image.pixels);
  CHECK(recoloured(image, {{Colour::brightness, 1}, {Colour::contrast, 1}, {Colour::saturation, 1}}).pixels == image.pixels);
}

TEST_CASE("contrast goes to the mean of what the steps before it made") {
  Image image(1, 2, 3);
  image.pixels = {100, 100, 100, 200, 200, 200};
  CHECK(recoloured(image, {{Colour::contrast, 0}}).pixels == std::vector<std::uint8_t>(6, 150));
  CHECK(recoloured(image, {{Colour::brightness, 0.5}, {Colour::contrast, 0}}).pixels == std::vector<std::uint8_t>(6, 75));
  CHECK(recoloured(image, {{Colour::contrast, 0}, {Colour::brightness, 0.5}}).pixels == std::vector<std::uint8_t>(6, 75));
}

TEST_CASE("the blur is the whole kernel's within half a grey level, also where the kernel is wider than the image") {
  for (const auto& [height, width, kernel, sigma] : {std::tuple{40, 50, 23, 2.0}, std::tuple{40, 50, 23, 0.4}, std::tuple{9, 30, 9, 3.0},
                                                     std::tuple{5, 3, 23, 1.5}, std::tuple{1, 12, 5, 1.0}})
    for (const std::int64_t channels : {1, 3}) {
      Image image(height, width, channels);
      core::Rng rng(7, core::Stream::test);
      for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(rng.below(256));
      Image made = image;
      gaussian_blur(made, kernel, sigma);
      const auto taps = [&](std::int64_t side) {
        std::vector<double> out;
        const std::int64_t reach = std::min<std::int64_t>(kernel / 2, side - 1);
        double sum = 0;
        for (std::int64_t i = -reach; i <= reach; ++i) out.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma)));
        for (const double tap : out) sum += tap;
        for (double& tap : out) tap /= sum;
        return out;
      };
      const auto reflected = [](std::int64_t i, std::int64_t side) { return i < 0 ? -i : i >= side ? 2 * (side - 1) - i : i; };
      const std::vector<double> across = taps(width), down = taps(height);
      double worst = 0;
      for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
          for (std::int64_t c = 0; c < channels; ++c) {
            double sum = 0;
            for (std::int64_t j = 0; j < std::ssize(down); ++j)
              for (std::int64_t i = 0; i < std::ssize(across); ++i)
                sum += down[static_cast<std::size_t>(j)] * across[static_cast<std::size_t>(i)] *
                       image.row(reflected(y + j - std::ssize(down) / 2,
                                           height))[reflected(x + i - std::ssize(across) / 2, width) * channels + c];
            worst = std::max(worst, std::abs(sum - made.row(y)[x * channels + c]));
          }
      CAPTURE(sigma);
      CHECK(worst < 0.5 + 0.1);
    }
}

}  // namespace selfsight::data
