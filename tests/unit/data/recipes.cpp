// The published recipes of views: their numbers, and the centred view of evaluation.
#include "data/multi_crop.h"
#include "data/view.h"
#include "unit/data/support.h"

#include <array>

namespace selfsight::data {
namespace {

// Probability, brightness, contrast, saturation, hue, grey, blur, solarize, smallest and largest share of the area.
std::array<double, 10> numbers(const Recipe& r) {
  return {r.jitter, r.brightness, r.contrast, r.saturation, r.hue, r.grey, r.blur, r.solarize, r.scale_min, r.scale_max};
}

Image mirrored(const Image& image) {
  Image out;
  crop_resize(image, {0, 0, image.width, image.height}, image.height, image.width, Interpolation::bilinear, true, out);
  return out;
}

Image view_of(const Image& image, const Recipe& recipe, std::uint64_t seed) {
  core::Rng rng(seed, core::Stream::view);
  Image out;
  apply(image, recipe, draw(recipe, image.height, image.width, rng), out);
  return out;
}

}  // namespace

TEST_CASE("SimCLR, MoCo v2 and MAE") {
  CHECK(numbers(simclr_recipe(32)) == std::array{0.8, 0.8, 0.8, 0.8, 0.2, 0.2, 0.5, 0.0, 0.08, 1.0});
  CHECK(numbers(simclr_recipe(32, 0.5)) == std::array{0.8, 0.4, 0.4, 0.4, 0.1, 0.2, 0.5, 0.0, 0.08, 1.0});
  CHECK(numbers(moco_v2_recipe(32)) == std::array{0.8, 0.4, 0.4, 0.4, 0.1, 0.2, 0.5, 0.0, 0.2, 1.0});
  CHECK(numbers(mae_recipe(32)) == std::array{0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 1.0});
  for (const Recipe& recipe : {simclr_recipe(32), moco_v2_recipe(32), mae_recipe(32)}) {
    CHECK(recipe.size == 32);
    CHECK(recipe.flip == 0.5);
    CHECK(recipe.crop == "random");
  }
  CHECK(mae_recipe(32).filter == "bicubic");
}

TEST_CASE("BYOL: always blur the first view, rarely the second, solarize only the second") {
  const std::vector<Recipe> recipes = byol_recipes(64);
  REQUIRE(recipes.size() == 2);
  CHECK(numbers(recipes[0]) == std::array{0.8, 0.4, 0.4, 0.2, 0.1, 0.2, 1.0, 0.0, 0.08, 1.0});
  CHECK(numbers(recipes[1]) == std::array{0.8, 0.4, 0.4, 0.2, 0.1, 0.2, 0.1, 0.2, 0.08, 1.0});
  for (std::size_t v = 0; v < 2; ++v) {
    int blurred = 0, solarized = 0;
    for (std::uint64_t i = 0; i < 5000; ++i) {
      core::Rng rng(3, core::Stream::view, 0, i, v);
      const Drawn drawn = draw(recipes[v], 80, 80, rng);
      blurred += drawn.blur_sigma > 0 ? 1 : 0;
      solarized += drawn.solarize ? 1 : 0;
    }
    CHECK(std::abs(blurred - (v == 0 ? 5000 : 500)) <= (v == 0 ? 0 : 90));
    CHECK(std::abs(solarized - (v == 0 ? 0 : 1000)) <= (v == 0 ? 0 : 120));
  }
}

TEST_CASE("multi-crop: two global views, then local ones of their own size and scale") {
  struct Case {
    const char* style;
    double split, least;  // the scales' border, the least global scale where it differs
    std::array<double, 3> blur, solarize;
  };
  for (const Case& c : {Case{"swav", 0.14, 0.14, {0.5, 0.5, 0.5}, {0, 0, 0}}, Case{"dino", 0.4, 0.4, {1.0, 0.1, 0.5}, {0, 0.2, 0}}}) {
    const std::vector<Recipe> recipes = multi_crop_recipes(c.style, 224, 96, 3);
    REQUIRE(recipes.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(recipes[i].size == (i < 2 ? 224 : 96));
      CHECK(recipes[i].scale_min == (i < 2 ? c.least : 0.05));
      CHECK(recipes[i].scale_max == (i < 2 ? 1.0 : c.split));
      CHECK(recipes[i].blur == c.blur.at(std::min<std::size_t>(i, 2)));
      CHECK(recipes[i].solarize == c.solarize.at(std::min<std::size_t>(i, 2)));
      CHECK(recipes[i].name == (i < 2 ? "global-" + std::to_string(i + 1) : "local-" + std::to_string(i - 1)));
    }
    // What the tools' options start from is the same.
    MultiCrop options = multi_crop(c.style);
    options.locals = 3;
    const std::vector<Recipe> again = options.recipes();
    REQUIRE(again.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(numbers(again[i]) == numbers(recipes[i]));
      CHECK(again[i].size == recipes[i].size);
      CHECK(again[i].name == recipes[i].name);
    }
  }
  CHECK(multi_crop_recipes("swav", 224, 96, 0).size() == 2);
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { multi_crop_recipes("swaw", 224, 96, 6); }), "swaw"));
  MultiCrop wrong;
  wrong.global_blur = {1.0};
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { return wrong.recipes(); }), "--global-blurs"));
}

TEST_CASE("a least value above the largest is refused with both options, by the recipe and by the loader") {
  core::Options options;
  MultiCrop crops = multi_crop("swav");
  crops.describe(options);
  crops.local.check();
  crops.local.scale_min = crops.local.scale_max = 0.2;  // one value is a range
  crops.local.check();
  options.find("local-scale-min")->set_text("0.21", "--local-scale-min");
  const auto message = [](const Recipe& recipe) { return test::error_of(core::Exit::usage, [&] { recipe.check(); }); };
  CHECK(message(crops.local) == "--local-scale-min 0.21 is above --local-scale-max 0.2: nothing lies between them");
  CHECK(message(crops.recipes().back()) == message(crops.local));
  crops.global.ratio_min = 2;
  CHECK(test::contains(message(crops.global), "--global-ratio-min 2 is above --global-ratio-max 1.33"));
  Recipe blurred = simclr_recipe(8);
  blurred.describe(options, "view-");
  blurred.sigma_max = 0.05;
  CHECK(test::contains(message(blurred), "--view-sigma-min 0.1 is above --view-sigma-max 0.05"));

  const test::Folder folder;
  write_files(folder.path(), {{"cat/0.ppm", picture(0)}});
  const auto source = open_split(describe("folder", folder.path()).split("train"));
  test::error_of(core::Exit::usage, [&] { Loader({source}, {{blurred, false}}, 1, {}); });
}

TEST_CASE("the view of evaluation is the centre, whatever the random numbers") {
  const Recipe recipe = eval_recipe(28);
  for (const auto& [height, width] : {std::pair{64, 48}, std::pair{48, 64}, std::pair{32, 32}, std::pair{200, 30}, std::pair{5, 3}}) {
    const Image image = noise(5, height, width), view = view_of(image, recipe, 1);
    CHECK(view.height == 28);
    CHECK(view.width == 28);
    CHECK(view.pixels == view_of(image, recipe, 2).pixels);
  }
  // Resized to 32 x 42, of which 7 columns and 2 rows go on either side: the mirror image has the mirrored view.
  const Image image = noise(5, 48, 64);
  const Image view = mirrored(view_of(image, recipe, 1)), other = view_of(mirrored(image), recipe, 1);
  int worst = 0;
  for (std::size_t i = 0; i < view.pixels.size(); ++i) worst = std::max(worst, std::abs(view.pixels[i] - other.pixels[i]));
  CHECK(worst <= 1);
}

TEST_CASE("the geometry of the centre is the part of the source that is seen") {
  const auto box_of = [](std::int64_t size, std::int64_t height, std::int64_t width) {
    core::Rng rng(1, core::Stream::view);
    const Geometry g = draw(eval_recipe(size), height, width, rng).geometry;
    CHECK(g.source_height == height);
    CHECK(g.source_width == width);
    CHECK_FALSE(g.flip);
    return std::array{g.box.x, g.box.y, g.box.width, g.box.height};
  };
  CHECK(box_of(224, 256, 256) == std::array<std::int64_t, 4>{16, 16, 224, 224});
  CHECK(box_of(224, 512, 1024) == std::array<std::int64_t, 4>{288, 32, 448, 448});
  CHECK(box_of(28, 28, 28) == std::array<std::int64_t, 4>{0, 0, 28, 28});
}

TEST_CASE("an image that has the size already is its own view of evaluation") {
  const Image image = noise(5, 28, 28);
  CHECK(view_of(image, eval_recipe(28), 1).pixels == image.pixels);
}

}  // namespace selfsight::data
