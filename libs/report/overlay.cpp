#include "report/overlay.h"

#include "data/labels.h"
#include "data/ops.h"
#include "report/feature_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace selfsight::report {
namespace {

using Colour = std::array<int, 3>;

/// Those first that photographs have least of.
constexpr std::array<Colour, 8> fills = {
    {{240, 30, 200}, {0, 220, 235}, {255, 205, 0}, {110, 80, 255}, {255, 100, 0}, {0, 230, 110}, {0, 130, 255}, {190, 230, 30}}};
constexpr Colour inner_line = {255, 255, 255}, outer_line = {16, 16, 16};
constexpr int fill_share = 45;  // percent

/// The nearest value for each pixel of height x width.
LabelMap stretched(const LabelMap& map, std::int64_t height, std::int64_t width) {
  LabelMap out{height, width, std::vector<std::int32_t>(static_cast<std::size_t>(height * width))};
  for (std::int64_t y = 0; y < height; ++y) {
    const std::int64_t from = (2 * y + 1) * map.height / (2 * height);
    for (std::int64_t x = 0; x < width; ++x)
      out.labels[static_cast<std::size_t>(y * width + x)] =
          map.labels[static_cast<std::size_t>(from * map.width + (2 * x + 1) * map.width / (2 * width))];
  }
  return out;
}

}  // namespace

LabelMap label_map_of(std::span<const std::byte> bytes, const std::string& name) {
  data::Labels stored;
  data::decode_labels(bytes, name, stored);
  // Numbers without gaps, so that neighbouring objects get different colours (255 stands for the one object of many sets).
  std::map<std::uint16_t, std::int32_t> numbers = {{0, 0}};
  for (const std::uint16_t value : stored.values) numbers.emplace(value, 0);
  std::int32_t next = 0;
  for (auto& [value, number] : numbers) number = next++;
  LabelMap map{stored.height, stored.width, std::vector<std::int32_t>(stored.values.size())};
  for (const auto& [value, number] : numbers) map.values.push_back(value);
  std::transform(stored.values.begin(), stored.values.end(), map.labels.begin(), [&](std::uint16_t value) { return numbers.at(value); });
  return map;
}

std::string fill_colour(std::size_t number) {
  const Colour& colour = fills[(number - 1) % fills.size()];
  return fmt::format("rgb({},{},{})", colour[0], colour[1], colour[2]);
}

data::Image overlay(const data::Image& image, const LabelMap& prediction, const LabelMap& truth, std::int64_t side) {
  data::Image out;
  if (image.empty()) {
    const LabelMap& shape = prediction.empty() ? truth : prediction;
    if (shape.empty()) return out;
    out = data::Image(shape.height, shape.width, 3);
    std::fill(out.pixels.begin(), out.pixels.end(), std::uint8_t{128});
    out = shrunk(std::move(out), side);
  } else {
    out = shrunk(image, side);
  }
  if (out.channels == 1) {
    data::Image colour(out.height, out.width, 3);
    for (std::size_t i = 0; i < out.pixels.size(); ++i)
      std::fill_n(colour.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, out.pixels[i]);
    out = std::move(colour);
  }
  const auto paint = [&](std::int64_t at, const Colour& colour, int share) {
    for (std::size_t c = 0; c < 3; ++c) {
      std::uint8_t& value = out.pixels[static_cast<std::size_t>(3 * at) + c];
      value = static_cast<std::uint8_t>((value * (100 - share) + colour[c] * share) / 100);
    }
  };
  const std::int64_t height = out.height, width = out.width;
  if (!prediction.empty()) {
    const LabelMap map = stretched(prediction, height, width);
    for (std::int64_t i = 0; i < height * width; ++i)
      if (const std::int32_t label = map.labels[static_cast<std::size_t>(i)]; label > 0)
        paint(i, fills[static_cast<std::size_t>(label - 1) % fills.size()], fill_share);
  }
  if (!truth.empty()) {
    const LabelMap map = stretched(truth, height, width);
    const auto label = [&](std::int64_t y, std::int64_t x) { return map.labels[static_cast<std::size_t>(y * width + x)]; };
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int32_t own = label(y, x);
        const bool border = (y > 0 && label(y - 1, x) != own) || (y + 1 < height && label(y + 1, x) != own) ||
                            (x > 0 && label(y, x - 1) != own) || (x + 1 < width && label(y, x + 1) != own);
        if (border) paint(y * width + x, own > 0 ? inner_line : outer_line, own > 0 ? 100 : 60);
      }
    }
  }
  return out;
}

}  // namespace selfsight::report
