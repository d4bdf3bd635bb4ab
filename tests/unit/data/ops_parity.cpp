// The operations against torchvision's on real images: tests/parity/data/make_ops.py made the numbers.
#include "core/files.h"
#include "data/view.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

using namespace selfsight;
using nlohmann::json;

namespace {

struct Fixture {
  json index;
  std::vector<std::byte> bytes;

  Fixture() {
    const std::string folder = SELFSIGHT_TEST_DATA "/parity/data/";
    index = json::parse(core::read_text(folder + "ops.json"));
    bytes = core::gunzip(core::read_bytes(folder + "ops.bin.gz"), "ops.bin.gz");
  }
  [[nodiscard]] data::Image image(const json& place) const {
    data::Image out(place["shape"][0], place["shape"][1], place["shape"][2]);
    std::memcpy(out.pixels.data(), &bytes.at(place["offset"].get<std::size_t>()), out.pixels.size());
    return out;
  }
};

data::Image make(const json& entry, data::Image image) {
  const std::string op = entry["op"];
  const auto filter = entry.value("filter", "bilinear") == "bicubic" ? data::Interpolation::bicubic : data::Interpolation::bilinear;
  if (op == "crop_resize") {
    const json& box = entry["box"];
    data::Image out;
    data::crop_resize(image, {box[0], box[1], box[2], box[3]}, entry["size"][0], entry["size"][1], filter, entry["flip"], out);
    return out;
  }
  if (op == "centre") {
    data::Recipe recipe = data::eval_recipe(entry["size"][0]);
    recipe.filter = entry["filter"];
    core::Rng rng(1, core::Stream::test);
    data::Image out;
    data::apply(image, recipe, data::draw(recipe, image.height, image.width, rng), out);
    return out;
  }
  const std::map<std::string, data::Colour> colours = {{"brightness", data::Colour::brightness},
                                                       {"contrast", data::Colour::contrast},
                                                       {"saturation", data::Colour::saturation},
                                                       {"hue", data::Colour::hue},
                                                       {"grey", data::Colour::grey},
                                                       {"solarize", data::Colour::solarize}};
  if (const auto found = colours.find(op); found != colours.end()) {
    const data::ColourStep step{found->second, entry.value("factor", entry.value("threshold", 0.0))};
    data::recolour(image, {&step, 1});
  }
  if (op == "blur") data::gaussian_blur(image, entry["kernel"], entry["sigma"]);
  return image;
}

}  // namespace

TEST_CASE("operations agree with torchvision") {
  const Fixture fixture;
  std::map<std::string, int> worst, cases;
  for (const json& entry : fixture.index["cases"]) {
    const data::Image expected = fixture.image(entry);
    const data::Image source = fixture.image(fixture.index["images"][entry["image"].get<std::string>()]);
    const data::Image made = make(entry, source);
    CAPTURE(entry.dump());
    REQUIRE(made.pixels.size() == expected.pixels.size());
    REQUIRE(made.height == expected.height);
    int difference = 0;
    for (std::size_t i = 0; i < made.pixels.size(); ++i) difference = std::max(difference, std::abs(made.pixels[i] - expected.pixels[i]));
    const std::string op = entry["op"];
    // Resizing is rounded once here, after each of its two passes there; the blur is one pass of a square kernel there, two passes here.
    const bool sums = op == "blur" || op == "crop_resize" || op == "centre";
    CHECK(difference <= (sums ? 1 : 0));
    worst[op] = std::max(worst[op], difference);
    ++cases[op];
  }
  for (const auto& [op, difference] : worst) MESSAGE(op << ": " << cases[op] << " cases, largest difference " << difference);
  CHECK(worst.size() == 9);
}
