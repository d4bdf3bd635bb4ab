// Views: the distributions of what is drawn, and how a view is made from it.
#include "data/view.h"

#include "data/multi_crop.h"
#include "unit/support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <tuple>

namespace selfsight::data {
namespace {

constexpr std::int64_t draws = 20000;

std::vector<Drawn> draw_many(const Recipe& recipe, std::int64_t height = 1000, std::int64_t width = 1000) {
  std::vector<Drawn> out;
  for (std::int64_t i = 0; i < draws; ++i) {
    core::Rng rng(17, core::Stream::view, 0, static_cast<std::uint64_t>(i), 0);
    out.push_back(draw(recipe, height, width, rng));
  }
  return out;
}

Drawn draw_one(const Recipe& recipe, std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, std::uint64_t view) {
  core::Rng rng(seed, core::Stream::view, epoch, index, view);
  return draw(recipe, 200, 300, rng);
}

// Everything in it, for comparisons.
auto all_of(const Drawn& d) {
  const Geometry& g = d.geometry;
  return std::tuple(g.source_height, g.source_width, g.box.x, g.box.y, g.box.width, g.box.height, g.flip, d.jitter_order, d.brightness,
                    d.contrast, d.saturation, d.hue, d.grey, d.solarize, d.blur_sigma);
}

std::vector<double> sorted(const std::vector<Drawn>& all, const std::function<double(const Drawn&)>& value) {
  std::vector<double> out;
  for (const Drawn& drawn : all) out.push_back(value(drawn));
  std::sort(out.begin(), out.end());
  return out;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double quantile(const std::vector<double>& values, double q) {
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size()))];
}

// Kolmogorov-Smirnov against U[low, high]; sorted values, significance 0.001.
void check_uniform(const std::vector<double>& values, double low, double high) {
  const auto n = static_cast<double>(values.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = (values[i] - low) / (high - low), rank = static_cast<double>(i);
    worst = std::max({worst, std::abs(expected - rank / n), std::abs(expected - (rank + 1) / n)});
  }
  CHECK(values.front() >= low);
  CHECK(values.back() <= high);
  CHECK(worst < 1.95 / std::sqrt(n));
}

void check_share(const std::vector<Drawn>& all, double probability, const std::function<bool(const Drawn&)>& has) {
  const auto n = static_cast<double>(all.size());
  const auto count = static_cast<double>(std::count_if(all.begin(), all.end(), has));
  CHECK(std::abs(count / n - probability) <= 4 * std::sqrt(probability * (1 - probability) / n));
}

double area(const Drawn& d) { return static_cast<double>(d.geometry.box.width * d.geometry.box.height); }
double log_ratio(const Drawn& d) {
  return std::log(static_cast<double>(d.geometry.box.width) / static_cast<double>(d.geometry.box.height));
}

Image noise(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image(height, width, channels);
  core::Rng rng(5, core::Stream::test);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(rng.below(256));
  return image;
}

}  // namespace

TEST_CASE("crops that always fit: uniform area, log-uniform ratio, uniform place") {
  Recipe recipe;
  recipe.scale_min = 0.1, recipe.scale_max = 0.5;  // sqrt(0.5 * 4 / 3) < 1: no draw is rejected
  const std::int64_t side = 4000;                  // so large that rounding to pixels does not matter
  const auto all = draw_many(recipe, side, side);
  check_uniform(sorted(all, [](const Drawn& d) { return area(d) / (side * side); }), 0.0999, 0.5001);
  check_uniform(sorted(all, log_ratio), std::log(0.75) - 0.001, std::log(4.0 / 3) + 0.001);
  check_uniform(
      sorted(all, [](const Drawn& d) { return static_cast<double>(d.geometry.box.x) / static_cast<double>(side - d.geometry.box.width); }),
      0, 1);
  check_uniform(
      sorted(all, [](const Drawn& d) { return static_cast<double>(d.geometry.box.y) / static_cast<double>(side - d.geometry.box.height); }),
      0, 1);
  const double both = mean(sorted(all, [](const Drawn& d) { return (area(d) / (side * side) - 0.3) * log_ratio(d); }));
  CHECK(std::abs(both) < 4 * (0.4 / std::sqrt(12)) * (2 * std::log(4.0 / 3) / std::sqrt(12)) / std::sqrt(draws));  // independent
}

TEST_CASE("crops that must fit: the moments and quantiles of torchvision's rule") {
  // RandomResizedCrop.get_params, 400,000 draws of a transcription in Python.
  struct Case {
    std::int64_t height, width;
    double scale_min, area_mean;
    std::array<double, 3> area;
    double ratio_mean;
    std::array<double, 3> log_ratio;
  };
  for (const Case& c : {Case{224, 224, 0.08, 0.4795, {0.159, 0.4757, 0.7972}, 0.0001, {-0.2218, 0, 0.2231}},
                        Case{200, 300, 0.2, 0.453, {0.248, 0.4398, 0.6799}, 0.0384, {-0.2032, 0.0562, 0.2469}}}) {
    Recipe recipe;
    recipe.scale_min = c.scale_min;
    const auto all = draw_many(recipe, c.height, c.width);
    const auto areas = sorted(all, [&](const Drawn& d) { return area(d) / static_cast<double>(c.height * c.width); });
    const auto ratios = sorted(all, log_ratio);
    CHECK(std::abs(mean(areas) - c.area_mean) < 0.007);
    CHECK(std::abs(mean(ratios) - c.ratio_mean) < 0.005);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(std::abs(quantile(areas, 0.1 + 0.4 * static_cast<double>(i)) - c.area[i]) < 0.015);
      CHECK(std::abs(quantile(ratios, 0.1 + 0.4 * static_cast<double>(i)) - c.log_ratio[i]) < 0.012);
    }
    for (const Drawn& d : all) {
      const Box& box = d.geometry.box;
      REQUIRE(
          (box.x >= 0 && box.y >= 0 && box.width > 0 && box.height > 0 && box.x + box.width <= c.width && box.y + box.height <= c.height));
    }
  }
}

TEST_CASE("an image no crop fits into gives its centre") {
  const auto box_of = [](std::int64_t height, std::int64_t width) {
    const Box box = draw_many({}, height, width)[0].geometry.box;
    return std::tuple(box.x, box.y, box.width, box.height);
  };
  CHECK(box_of(10, 1000) == std::tuple(493, 0, 13, 10));
  CHECK(box_of(1000, 10) == std::tuple(0, 493, 10, 13));
}

TEST_CASE("flips, jitter, grey, blur and solarize come as often as the recipe says") {
  Recipe recipe = simclr_recipe(32);
  recipe.solarize = 0.3, recipe.flip = 0.4;
  const auto all = draw_many(recipe);
  const auto flipped = [](const Drawn& d) { return d.geometry.flip; };
  const auto jittered = [](const Drawn& d) { return !d.jitter_order.empty(); };
  const auto grey = [](const Drawn& d) { return d.grey; };
  const auto blurred = [](const Drawn& d) { return d.blur_sigma > 0; };
  const auto solarized = [](const Drawn& d) { return d.solarize; };
  check_share(all, 0.4, flipped);
  check_share(all, 0.8, jittered);
  check_share(all, 0.2, grey);
  check_share(all, 0.5, blurred);
  check_share(all, 0.3, solarized);
  check_share(all, 0.4 * 0.8, [&](const Drawn& d) { return flipped(d) && jittered(d); });  // each on its own
  check_share(all, 0.2 * 0.5, [&](const Drawn& d) { return grey(d) && blurred(d); });
  check_share(all, 0.5 * 0.3, [&](const Drawn& d) { return blurred(d) && solarized(d); });
  std::vector<double> sigmas;
  for (const Drawn& d : all)
    if (blurred(d)) sigmas.push_back(d.blur_sigma);
  std::sort(sigmas.begin(), sigmas.end());
  check_uniform(sigmas, 0.1, 2.0);
  recipe.flip = recipe.jitter = recipe.grey = recipe.blur = recipe.solarize = 0;
  for (const Drawn& d : draw_many(recipe)) REQUIRE_FALSE((flipped(d) || jittered(d) || grey(d) || blurred(d) || solarized(d)));
  recipe.flip = recipe.jitter = recipe.grey = recipe.blur = recipe.solarize = recipe.hue = 1;
  for (const Drawn& d : draw_many(recipe)) REQUIRE((flipped(d) && jittered(d) && grey(d) && blurred(d) && solarized(d)));
}

TEST_CASE("jitter: factors fill their ranges, orders are equally likely") {
  Recipe recipe;
  recipe.jitter = 1, recipe.brightness = 0.8, recipe.contrast = 0.4, recipe.saturation = 1.5, recipe.hue = 0.2;
  const auto all = draw_many(recipe);
  check_uniform(sorted(all, [](const Drawn& d) { return d.brightness; }), 0.2, 1.8);
  check_uniform(sorted(all, [](const Drawn& d) { return d.contrast; }), 0.6, 1.4);
  check_uniform(sorted(all, [](const Drawn& d) { return d.saturation; }), 0, 2.5);  // never below 0
  check_uniform(sorted(all, [](const Drawn& d) { return d.hue; }), -0.2, 0.2);
  std::map<std::vector<int>, double> orders;
  for (const Drawn& d : all) ++orders[d.jitter_order];
  REQUIRE(orders.size() == 24);
  double chi = 0;
  for (const auto& [order, count] : orders) {
    CHECK(std::is_permutation(order.begin(), order.end(), std::array{0, 1, 2, 3}.begin()));
    chi += (count - draws / 24.0) * (count - draws / 24.0) / (draws / 24.0);
  }
  CHECK(chi < 49.7);  // 23 degrees of freedom, p = 0.001
  recipe.saturation = 0;
  for (const Drawn& d : draw_many(recipe))
    REQUIRE((d.jitter_order.size() == 3 && std::count(d.jitter_order.begin(), d.jitter_order.end(), 2) == 0));
}

TEST_CASE("a draw is a function of seed, epoch, index and view") {
  const Recipe recipe = simclr_recipe(32);
  const auto one = all_of(draw_one(recipe, 1, 2, 3, 4));
  CHECK(one == all_of(draw_one(recipe, 1, 2, 3, 4)));
  CHECK(one != all_of(draw_one(recipe, 2, 2, 3, 4)));
  CHECK(one != all_of(draw_one(recipe, 1, 3, 3, 4)));
  CHECK(one != all_of(draw_one(recipe, 1, 2, 4, 4)));
  CHECK(one != all_of(draw_one(recipe, 1, 2, 3, 5)));
  CHECK(one != all_of(draw_one(recipe, 1, 3, 2, 4)));  // no sum of the key's parts
}

TEST_CASE("how many numbers a draw uses depends on nothing") {
  std::vector<Recipe> recipes = byol_recipes(32);
  recipes.push_back(eval_recipe(32));
  recipes.push_back(Recipe{.crop = "none", .flip = 0});
  recipes.push_back(Recipe{.size = 32, .crop = "padded"});
  recipes.push_back(Recipe{.scale_min = 0.99, .jitter = 1, .hue = 0.1});
  std::vector<std::uint32_t> after;
  for (const Recipe& recipe : recipes) {
    for (const std::int64_t width : {4, 40, 4000}) {
      core::Rng rng(1, core::Stream::view, 1, 1, 1);
      draw(recipe, 40, width, rng);
      after.push_back(rng());
    }
  }
  CHECK(std::all_of(after.begin(), after.end(), [&](std::uint32_t word) { return word == after.front(); }));
}

void change(Image& image, Colour kind, double amount = 0) {
  const ColourStep step{kind, amount};
  recolour(image, {&step, 1});
}

TEST_CASE("a view is crop, flip, jitter, grey, blur and solarize in this order") {
  const Image image = noise(40, 50, 3);
  Recipe recipe = simclr_recipe(16);
  recipe.jitter = recipe.blur = recipe.solarize = 1;
  for (std::uint64_t i = 0; i < 20; ++i) {
    recipe.grey = i % 2 == 0 ? 0 : 1;
    core::Rng rng(1, core::Stream::view, 0, i, 0);
    const Drawn d = draw(recipe, image.height, image.width, rng);
    Image view, expected;
    apply(image, recipe, d, view);
    crop_resize(image, d.geometry.box, 16, 16, Interpolation::bilinear, d.geometry.flip, expected);
    for (const int part : d.jitter_order) {
      if (part == 0) change(expected, Colour::brightness, d.brightness);
      if (part == 1) change(expected, Colour::contrast, d.contrast);
      if (part == 2) change(expected, Colour::saturation, d.saturation);
      if (part == 3) change(expected, Colour::hue, d.hue);
    }
    if (d.grey) change(expected, Colour::grey);
    gaussian_blur(expected, 3, d.blur_sigma);
    change(expected, Colour::solarize, 128);
    CHECK(view.pixels == expected.pixels);
  }
}

TEST_CASE("a padded crop shows every place within the padding equally often, the source's pixels as they are and black beyond them") {
  // torchvision's RandomCrop(8, padding=4) of an image of 8 x 8: 81 places.
  const Recipe recipe{.size = 8, .crop = "padded", .flip = 0};
  std::map<std::pair<std::int64_t, std::int64_t>, double> places;
  for (const Drawn& d : draw_many(recipe, 8, 8)) {
    REQUIRE((d.geometry.box.width == 8 && d.geometry.box.height == 8));
    ++places[{d.geometry.box.x, d.geometry.box.y}];
  }
  REQUIRE(places.size() == 81);
  double chi = 0;
  for (const auto& [place, count] : places) {
    CHECK(std::abs(place.first) <= 4);
    CHECK(std::abs(place.second) <= 4);
    chi += (count - draws / 81.0) * (count - draws / 81.0) / (draws / 81.0);
  }
  CHECK(chi < 124.9);  // 80 degrees of freedom, p = 0.001

  for (const auto& [height, width] : {std::pair{8, 8}, std::pair{20, 9}, std::pair{3, 40}}) {
    Image image = noise(height, width, 3);
    for (std::uint8_t& pixel : image.pixels) pixel |= 1;  // never black
    for (std::uint64_t i = 0; i < 50; ++i) {
      core::Rng rng(3, core::Stream::view, 0, i, 0);
      Drawn d = draw(recipe, height, width, rng);
      d.geometry.flip = i % 2 == 1;
      Image view;
      apply(image, recipe, d, view);
      REQUIRE((view.height == 8 && view.width == 8));
      for (std::int64_t y = 0; y < 8; ++y)
        for (std::int64_t x = 0; x < 8; ++x) {
          const std::int64_t from_y = d.geometry.box.y + y, from_x = d.geometry.box.x + (d.geometry.flip ? 7 - x : x);
          const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
          for (std::int64_t c = 0; c < 3; ++c) REQUIRE(view.row(y)[x * 3 + c] == (inside ? image.row(from_y)[from_x * 3 + c] : 0));
        }
    }
  }
}

TEST_CASE("of an image that is smaller than the view with its padding, a padded crop shows all") {
  const Recipe recipe{.size = 16, .crop = "padded", .padding = 2};
  std::set<std::int64_t> places;
  for (const Drawn& d : draw_many(recipe, 5, 40)) {
    places.insert(d.geometry.box.y);
    CHECK(d.geometry.box.x >= -2);
    CHECK(d.geometry.box.x <= 40 + 2 - 16);
  }
  CHECK(*places.begin() == 5 + 2 - 16);  // the padded image lies at the view's lower border
  CHECK(*places.rbegin() == -2);
  CHECK(places.size() == 8);
}

}  // namespace selfsight::data
