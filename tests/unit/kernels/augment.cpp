// The program of a view, as the host runs it, against data::apply: the same bytes for every recipe, size and picture. Its CUDA form is the
// same source.
#include "kernels/augment.h"

#include "data/multi_crop.h"
#include "unit/data/support.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cmath>
#include <cstring>
#include <numeric>

namespace selfsight::kernels {
namespace {

using data::Drawn;
using data::Image;
using data::Part;
using data::Recipe;

Part whole_of(const Image& image) { return {{0, 0, image.width, image.height}}; }

/// The view by the program under test, in any of the three types, as floats.
template <typename Out>
std::vector<float> made(const Image& image, const Part& part, const Recipe& recipe, const Drawn& drawn, Element element,
                        const Normalisation& normalisation) {
  std::vector<float> taps;
  ViewTask task = view_task(recipe, drawn, part, {image.height, image.width}, taps);
  std::vector<Out> out(static_cast<std::size_t>(recipe.size * recipe.size * image.channels));
  task.picture = image.pixels.data();
  task.taps = taps.data();
  task.out = out.data();
  make_views({&task, 1}, normalisation, image.channels, element, 1);
  return {out.begin(), out.end()};
}

/// The largest difference in grey levels.
double difference(const Image& image, const Part& part, const Recipe& recipe, const Drawn& drawn) {
  Image expected(recipe.size, recipe.size, image.channels);
  data::apply(image, part, recipe, drawn, expected);
  const std::vector<float> values = made<float>(image, part, recipe, drawn, Element::float32, {});
  REQUIRE(values.size() == expected.pixels.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    // What is not a number is no agreement.
    const double away = std::abs(static_cast<double>(values[i]) - expected.pixels[i]);
    worst = away <= 255 ? std::max(worst, away) : 1000;
  }
  return worst;
}

/// Pictures that are hard in different ways.
enum class Kind { noise, extremes, smooth };

Image picture(Kind kind, std::uint64_t seed, std::int64_t height, std::int64_t width, std::int64_t channels) {
  Image image(height, width, channels);
  core::Rng rng(seed, core::Stream::test);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        const double wave = 127.5 + 127.5 * std::sin(0.02 * static_cast<double>((c + 1) * x) + 0.05 * static_cast<double>(y - c * x));
        const std::uint64_t value = kind == Kind::noise      ? rng.below(256)
                                    : kind == Kind::extremes ? 255 * rng.below(2)
                                                             : static_cast<std::uint64_t>(wave);
        image.row(y)[x * channels + c] = static_cast<std::uint8_t>(value);
      }
    }
  }
  return image;
}

std::vector<Recipe> recipes_of(std::int64_t size) {
  std::vector<Recipe> out = {data::simclr_recipe(size), data::moco_v2_recipe(size), data::mae_recipe(size), data::eval_recipe(size)};
  for (const Recipe& recipe : data::byol_recipes(size)) out.push_back(recipe);
  for (const char* style : {"swav", "dino"}) {
    const std::vector<Recipe> views = data::multi_crop_recipes(style, size, std::max<std::int64_t>(size / 2, 1), 1);
    out.insert(out.end(), views.begin(), views.end());
  }
  Recipe bicubic_centre = data::eval_recipe(size);
  bicubic_centre.filter = "bicubic";
  bicubic_centre.flip = 0.5;
  out.push_back(bicubic_centre);
  Recipe padded = data::simclr_recipe(size);
  padded.crop = "padded";
  out.push_back(padded);
  padded.padding = size;
  out.push_back(padded);
  for (const char* filter : {"bilinear", "bicubic"}) {
    Recipe whole = data::simclr_recipe(size);
    whole.crop = "none";
    whole.filter = filter;
    whole.solarize = 0.5;
    out.push_back(whole);
  }
  return out;
}

/// Of every view of the recipes at these sizes.
void check_all(const Image& image, const std::vector<std::int64_t>& sizes, std::uint64_t draws) {
  for (const std::int64_t size : sizes) {
    const std::vector<Recipe> recipes = recipes_of(size);
    for (std::size_t r = 0; r < recipes.size(); ++r) {
      for (std::uint64_t d = 0; d < draws; ++d) {
        core::Rng rng(5, core::Stream::test, static_cast<std::uint64_t>(size), r, d);
        const Drawn drawn = data::draw(recipes[r], image.height, image.width, rng);
        const std::string what = fmt::format("{} x {} x {}, recipe {} ({}, {}) at {}, draw {}", image.height, image.width, image.channels,
                                             r, recipes[r].crop, recipes[r].filter, size, d);
        CAPTURE(what);
        CHECK(difference(image, whole_of(image), recipes[r], drawn) == 0);
      }
    }
  }
}

/// A view that shows the picture itself: nothing but colours and blur is left to differ.
Recipe plain(std::int64_t size) {
  Recipe recipe;
  recipe.size = size;
  recipe.crop = "none";
  return recipe;
}
Drawn of_whole(const Image& image) { return {.geometry = {image.height, image.width, {0, 0, image.width, image.height}}}; }

}  // namespace

TEST_CASE("every published recipe gives the bytes of data::apply") {
  for (const std::int64_t channels : {3, 1}) {
    for (const Kind kind : {Kind::noise, Kind::extremes, Kind::smooth}) {
      const auto seed = static_cast<std::uint64_t>(kind);
      check_all(picture(kind, seed, 61, 83, channels), {1, 2, 28, 64, 97}, 6);
      check_all(picture(kind, seed, 240, 171, channels), {32, 224}, 3);
    }
  }
}

TEST_CASE("pictures of every shape, also those that take several bands and strips") {
  for (const Kind kind : {Kind::extremes, Kind::smooth}) {
    for (const std::int64_t channels : {3, 1}) {
      for (const auto& [height, width] : std::vector<std::pair<std::int64_t, std::int64_t>>{
               {1, 1}, {1, 7}, {9, 1}, {2, 300}, {300, 2}, {1500, 40}, {40, 1500}, {1100, 900}}) {
        check_all(picture(kind, 7, height, width, channels), {1, 5, 33}, 2);
      }
    }
  }
  check_all(picture(Kind::extremes, 8, 700, 530, 3), {640}, 1);
}

TEST_CASE("the number of sources that fit is a bound") {
  // Strips are filled by it; this goes to where one value of the view has more sources than a wide strip has room for.
  for (const std::int64_t channels : {3, 1}) {
    for (const char* filter : {"bilinear", "bicubic"}) {
      for (const std::int64_t side : {1500, 2500, 3990}) {
        for (const bool tall : {false, true}) {
          const Image image = picture(Kind::extremes, 9, tall ? side : 11, tall ? 11 : side, channels);
          Recipe recipe = plain(4);
          recipe.filter = filter;
          const std::string what = fmt::format("{} {} {}", side, tall, filter);
          CAPTURE(what);
          CHECK(difference(image, whole_of(image), recipe, of_whole(image)) == 0);
        }
      }
    }
  }
}

TEST_CASE("pictures with more lines than a strip can hold at all") {
  for (const char* filter : {"bilinear", "bicubic"}) {
    for (const bool tall : {false, true}) {
      const Image image = picture(Kind::extremes, 10, tall ? 30000 : 37, tall ? 37 : 30000, 3);
      Recipe recipe = plain(40);
      recipe.filter = filter;
      CHECK(difference(image, whole_of(image), recipe, of_whole(image)) == 0);
    }
  }
}

TEST_CASE("a picture with more rows than a strip can hold, across first") {
  const Image image = picture(Kind::extremes, 19, 4600, 2400, 3);
  Recipe recipe = plain(40);
  recipe.filter = "bicubic";
  CHECK(difference(image, whole_of(image), recipe, of_whole(image)) == 0);
}

TEST_CASE("images that hold a reduced part of the picture") {
  // As decode_part leaves them: the picture is 8 times 64 x 48, of which a part of a quarter of the pixels was decoded.
  for (const std::int64_t reduce : {1, 2, 4, 8}) {
    const std::int64_t height = 512, width = 384;
    const Part part{{8 * reduce, 16 * reduce, 256 + 5, 320 - 3}, reduce};
    const Image image = picture(Kind::noise, 11, (part.box.height + reduce - 1) / reduce, (part.box.width + reduce - 1) / reduce, 3);
    for (const std::int64_t size : {24, 40}) {
      for (const Recipe& recipe : {data::simclr_recipe(size), data::mae_recipe(size)}) {
        for (std::uint64_t d = 0; d < 20; ++d) {
          core::Rng rng(6, core::Stream::test, static_cast<std::uint64_t>(reduce), d);
          Drawn drawn = data::draw(recipe, part.box.height, part.box.width, rng);
          drawn.geometry.source_height = height, drawn.geometry.source_width = width;
          drawn.geometry.box.x += part.box.x, drawn.geometry.box.y += part.box.y;
          CHECK(difference(image, part, recipe, drawn) == 0);
        }
      }
    }
  }
}

TEST_CASE("changes of colour alone, in every order") {
  const Image image = picture(Kind::noise, 12, 50, 50, 3), grey = picture(Kind::noise, 13, 50, 50, 1);
  std::vector<int> order = {0, 1, 2, 3};
  std::uint64_t number = 0;
  do {
    for (std::size_t used = 0; used <= order.size(); ++used) {
      for (int variant = 0; variant < 12; ++variant) {
        core::Rng rng(14, core::Stream::test, number++);
        Drawn drawn = of_whole(image);
        drawn.jitter_order.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(used));
        drawn.brightness = rng.uniform(0, 2), drawn.contrast = rng.uniform(0, 2), drawn.saturation = rng.uniform(0, 2);
        drawn.hue = rng.uniform(-0.5, 0.5);
        drawn.grey = variant % 4 == 1, drawn.solarize = variant % 3 == 1;
        CHECK(difference(image, whole_of(image), plain(50), drawn) == 0);
        CHECK(difference(grey, whole_of(grey), plain(50), drawn) == 0);
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a shift of the hue, for every colour there is") {
  for (const double hue : {0.1234, -0.2, 0.5}) {
    double worst = 0;
    for (int r = 0; r < 256; ++r) {
      Image plane(256, 256, 3);
      for (std::size_t i = 0; i < 65536; ++i) {
        plane.pixels[3 * i] = static_cast<std::uint8_t>(r);
        plane.pixels[3 * i + 1] = static_cast<std::uint8_t>(i / 256);
        plane.pixels[3 * i + 2] = static_cast<std::uint8_t>(i % 256);
      }
      Drawn drawn = of_whole(plane);
      drawn.jitter_order = {3};
      drawn.hue = hue;
      worst = std::max(worst, difference(plane, whole_of(plane), plain(256), drawn));
    }
    CHECK(worst == 0);
  }
}

TEST_CASE("blurs of every reach") {
  for (const std::int64_t side : {1, 2, 3, 30, 130}) {
    for (const std::int64_t kernel : {1, 3, 23, 255}) {
      for (const double sigma : {0.1, 0.7, 2.0, 40.0}) {
        for (const std::int64_t channels : {1, 3}) {
          const Image image = picture(Kind::extremes, 15, side, side, channels);
          Recipe recipe = plain(side);
          recipe.blur_kernel = kernel;
          Drawn drawn = of_whole(image);
          drawn.blur_sigma = sigma;
          drawn.solarize = kernel == 3;
          drawn.jitter_order = kernel == 23 ? std::vector{1, 0} : std::vector<int>();
          drawn.contrast = 1.7;
          const std::string what = fmt::format("{} {} {} {}", side, kernel, sigma, channels);
          CAPTURE(what);
          CHECK(difference(image, whole_of(image), recipe, drawn) == 0);
        }
      }
    }
  }
}

TEST_CASE("views come out normalised, channel by channel, in each type") {
  const Image image = picture(Kind::noise, 16, 40, 40, 3);
  const Normalisation usual({0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
  const Drawn drawn = of_whole(image);
  const auto all = [&](Element element, const auto& type) {
    const std::vector<float> values = made<std::decay_t<decltype(type)>>(image, whole_of(image), plain(40), drawn, element, usual);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float expected = (static_cast<float>(image.pixels[i]) - usual.mean[i % 3]) / usual.stddev[i % 3];
      if (values[i] != static_cast<float>(static_cast<std::decay_t<decltype(type)>>(expected))) return false;
    }
    return true;
  };
  CHECK(usual.mean[1] == doctest::Approx(116.28));
  CHECK(all(Element::float32, float{}));
  CHECK(all(Element::float16, c10::Half{}));
  CHECK(all(Element::bfloat16, c10::BFloat16{}));
}

TEST_CASE("a batch on several threads is made as one after the other") {
  const Image image = picture(Kind::noise, 17, 90, 70, 3);
  const Recipe recipe = data::simclr_recipe(48);
  constexpr std::size_t count = 24, values = std::size_t{48} * 48 * 3;
  std::vector<ViewTask> tasks;
  std::vector<std::vector<float>> taps(count);
  std::vector<float> together(count * values), single(count * values);
  for (std::size_t i = 0; i < count; ++i) {
    core::Rng rng(18, core::Stream::test, i);
    tasks.push_back(view_task(recipe, data::draw(recipe, 90, 70, rng), whole_of(image), {90, 70}, taps[i]));
    tasks[i].picture = image.pixels.data();
    tasks[i].taps = taps[i].data();
  }
  const auto make = [&](std::vector<float>& out, int threads) {
    for (std::size_t i = 0; i < count; ++i) tasks[i].out = out.data() + i * values;
    make_views(tasks, {}, 3, Element::float32, threads);
  };
  make(together, 4);
  make(single, 1);
  CHECK(together == single);
}

TEST_CASE("what a device has no room for is refused") {
  const Image image(8, 8, 3);
  CHECK(test::contains(test::error_of(core::Exit::usage,
                                      [&] {
                                        std::vector<float> taps;
                                        Recipe recipe = plain(largest_view + 1);
                                        recipe.option_prefix = "global-";
                                        view_task(recipe, of_whole(image), whole_of(image), {8, 8}, taps);
                                      }),
                       "--global-size"));
  const Image line(1, 20000, 1);
  CHECK(test::contains(test::error_of(core::Exit::bad_data,
                                      [&] {
                                        std::vector<float> taps;
                                        view_task(plain(2), of_whole(line), whole_of(line), {1, 20000}, taps);
                                      }),
                       "1 x 20000"));
}

}  // namespace selfsight::kernels
