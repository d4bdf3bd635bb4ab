// Oracles of PixPro (arXiv 2011.10043): which cells match, propagation, both losses, the target network.
#include "methods/pixpro.h"
#include "data/ops.h"
#include "nn/cells.h"
#include "nn/losses.h"
#include "unit/methods/runs.h"

#include <cmath>

using namespace selfsight;
using methods::matching_cells;
using methods::pixel_consistency;
using methods::pixel_contrast;
using methods::PixelPropagation;
using test::Built;

namespace {

torch::Tensor box(double x0, double y0, double x1, double y1) { return torch::tensor({x0, y0, x1, y1}, torch::kFloat64).view({1, 4}); }

std::int64_t ones(const torch::Tensor& matching) { return matching.sum().item<std::int64_t>(); }

/// N x D x side x side by formula (as tests/parity/methods/pixpro.py), as cells.
torch::Tensor cells_by_formula(double a, double b) {
  const torch::Tensor i = torch::arange(2 * 3 * 3 * 3, torch::kFloat64);
  return nn::cells(torch::sin(a * i * i + b).view({2, 3, 3, 3}));
}

/// A batch of eight images of which each view shows a part.
struct Crops {
  data::Batch batch;
  Crops(const data::Box& first, bool first_flip, const data::Box& second, bool second_flip) {
    batch.views.resize(2);
    batch.views[0].geometry.assign(8, {100, 200, first, first_flip});
    batch.views[1].geometry.assign(8, {100, 200, second, second_flip});
    batch.samples.assign(8, 0);
  }
  train::Outcome step(Built& built, const torch::Tensor& a, const torch::Tensor& b) {
    train::Views views;
    views.x = {a, b};
    views.batch = &batch;
    return built.method->step(views, built.progress);
  }
  [[nodiscard]] Crops swapped() const {
    Crops out = *this;
    std::swap(out.batch.views[0], out.batch.views[1]);
    return out;
  }
};

const nlohmann::json tiny = {{"dim", 16}, {"hidden", 32}};
const data::Box left{0, 0, 80, 100}, middle{40, 10, 80, 80}, right{120, 0, 80, 100};
const data::Box square{40, 10, 100, 50};  // in shares of the sides, so that no neighbour matches

/// The network in float64, so that exact statements can be tested as such.
Built exact(const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json options = tiny;
  options.update(more);
  Built built("pixpro", options);
  built.method->to(torch::kFloat64);
  return built;
}
torch::Tensor images(std::int64_t seed) { return Built::images(seed, 64).to(torch::kFloat64); }

}  // namespace

TEST_SUITE("pixpro") {
  TEST_CASE("identical crops: at T = 0.7 only the same cells match, at 0.71 their neighbours too, in a 2:1 crop those above and below") {
    const torch::Tensor square = box(0.2, 0.3, 0.7, 0.8), wide = box(0.1, 0.4, 0.9, 0.8);
    CHECK(torch::equal(matching_cells(square, square, 7, 7, 0.7)[0], torch::eye(49, torch::kFloat64)));
    CHECK(ones(matching_cells(square, square, 7, 7, 0.71)) == 217);  // 49 and 2 x 84 neighbours
    CHECK(ones(matching_cells(wide, wide, 7, 7, 0.7)) == 133);       // 49 and 2 x 42
    const torch::Tensor neighbours = matching_cells(wide, wide, 7, 7, 0.7)[0];
    CHECK(neighbours[0][7].item<double>() == 1);  // one row further: the crop is flat, so its cells are
    CHECK(neighbours[0][1].item<double>() == 0);
  }

  TEST_CASE("a mirrored view matches its columns from the other end; views that lie apart match nowhere") {
    const torch::Tensor matching = matching_cells(box(0.2, 0.3, 0.7, 0.8), box(0.7, 0.3, 0.2, 0.8), 7, 7, 0.7)[0];
    torch::Tensor expected = torch::zeros({49, 49}, torch::kFloat64);
    for (std::int64_t r = 0; r < 7; ++r)
      for (std::int64_t c = 0; c < 7; ++c) expected[r * 7 + c][r * 7 + 6 - c] = 1;
    CHECK(torch::equal(matching, expected));
    CHECK(ones(matching_cells(box(0, 0, 0.4, 1), box(0.6, 0, 1, 1), 7, 7, 0.7)) == 0);
  }

  TEST_CASE("boxes are shares of the image's sides; cells lie where the view's pixels come from, mirrored or not") {
    // Red grows to the right, green downwards: what a cell of a view shows tells where it lies.
    data::Image image(120, 240, 3);
    for (std::int64_t y = 0; y < 120; ++y)
      for (std::int64_t x = 0; x < 240; ++x) {
        image.row(y)[3 * x] = static_cast<std::uint8_t>(x);
        image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(2 * y);
      }
    const data::Recipe recipe{.size = 28, .scale_min = 0.3};
    bool mirrored = false, plain = false;
    for (std::uint64_t i = 0; i < 20; ++i) {
      core::Rng rng(i, core::Stream::test);
      const data::Drawn drawn = data::draw(recipe, 120, 240, rng);
      (drawn.geometry.flip ? mirrored : plain) = true;
      data::Image view;
      data::apply(image, recipe, drawn, view);
      const torch::Tensor corners = nn::crop_boxes({drawn.geometry})[0];
      const torch::Tensor pixels =
          torch::from_blob(view.pixels.data(), {28, 28, 3}, torch::kUInt8).to(torch::kFloat64).view({4, 7, 4, 7, 3}).mean({1, 3});
      for (std::int64_t r = 0; r < 4; ++r)
        for (std::int64_t c = 0; c < 4; ++c) {
          const double x = corners[0].item<double>() + (static_cast<double>(c) + 0.5) / 4 * (corners[2] - corners[0]).item<double>();
          const double y = corners[1].item<double>() + (static_cast<double>(r) + 0.5) / 4 * (corners[3] - corners[1]).item<double>();
          CHECK(std::abs(pixels[r][c][0].item<double>() - (240 * x - 0.5)) < 1.5);
          CHECK(std::abs(pixels[r][c][1].item<double>() - (240 * y - 1)) < 1.5);
        }
    }
    CHECK(mirrored);
    CHECK(plain);
  }

  TEST_CASE("the losses are those of the release and of the paper's formula, cell by cell") {
    // Numbers: python3 tests/parity/methods/pixpro.py
    const torch::Tensor x = cells_by_formula(0.7, 0.1), z = nn::unit_cells(cells_by_formula(1.3, 0.5));
    const torch::Tensor a = torch::cat({box(0.1, 0.2, 0.7, 0.8), box(0.9, 0.1, 0.3, 0.6)});
    const torch::Tensor b = torch::cat({box(0.2, 0.1, 0.9, 0.7), box(0.2, 0.2, 1.0, 0.9)});
    const torch::Tensor distances = nn::cell_distances(a, b, 3, 3);
    CHECK(distances[0][0][0].item<double>() == doctest::Approx(0.5).epsilon(1e-14));
    CHECK(distances[1][2][6].item<double>() == doctest::Approx(1.7037179541393104).epsilon(1e-14));
    struct Case {
      double threshold;
      std::int64_t pairs;
      std::array<double, 3> consistency;  // gamma 0.5, 1, 2
      double contrast;
    };
    for (const Case& c : {Case{0.7, 46, {-0.020782566714769222, -0.02868354652847208, -0.03782578301295679}, 1.6381954884216083},
                          Case{1.5, 124, {-0.06887226540721571, -0.06910582516556822, -0.07126484022426705}, 0.3150274785187704}}) {
      const torch::Tensor matching = matching_cells(a, b, 3, 3, c.threshold);
      CHECK(ones(matching) == c.pairs);
      const std::array<double, 3> gammas = {0.5, 1, 2};
      for (std::size_t i = 0; i < 3; ++i) {
        const torch::Tensor y = PixelPropagation(3, 0, gammas[i]).forward(x);
        CHECK(pixel_consistency(y, z, matching).item<double>() == doctest::Approx(c.consistency[i]).epsilon(1e-12));
      }
      CHECK(pixel_contrast(nn::unit_cells(x), z, matching, 0.3).item<double>() == doctest::Approx(c.contrast).epsilon(1e-12));
    }
  }

  TEST_CASE("equal cells of unit length cost -2 in each direction, and ln P against all cells of the image") {
    const torch::Tensor same = nn::unit_cells(torch::ones({4, 49, 8}, torch::kFloat64));
    const torch::Tensor crop = box(0.2, 0.3, 0.7, 0.8).expand({4, 4}), matching = matching_cells(crop, crop, 7, 7, 0.7);
    CHECK(pixel_consistency(same, same, matching).item<double>() == doctest::Approx(-2.0).epsilon(1e-7));
    CHECK(pixel_consistency(same, -same, matching).item<double>() == doctest::Approx(2.0).epsilon(1e-7));
    CHECK(pixel_contrast(same, same, matching, 0.3).item<double>() == doctest::Approx(std::log(49.0)).epsilon(1e-12));
    // Of two images one without a match: it counts 0.
    const torch::Tensor half = matching * torch::tensor({1.0, 1.0, 0.0, 0.0}, torch::kFloat64).view({4, 1, 1});
    CHECK(pixel_consistency(same, same, half).item<double>() == doctest::Approx(-1.0).epsilon(1e-7));
    CHECK(pixel_contrast(same, same, half, 0.3).item<double>() == doctest::Approx(std::log(49.0) / 2).epsilon(1e-12));
  }

  TEST_CASE("propagation: orthogonal cells keep to themselves, equal cells stay equal") {
    torch::manual_seed(3);
    for (const std::int64_t layers : {0, 1, 2}) {
      CAPTURE(layers);
      PixelPropagation module(16, layers, 2.0);
      module.to(torch::kFloat64);
      module.eval();  // batch statistics would make a constant vanish
      const torch::Tensor orthogonal = (torch::eye(16, torch::kFloat64).slice(0, 0, 9) * 3.0).unsqueeze(0);
      torch::Tensor values = orthogonal;
      for (const auto& g : module.children()) values = g->as<nn::Mlp>()->forward(orthogonal.flatten(0, 1)).view_as(orthogonal);
      const torch::Tensor expected = nn::unit_cells(values);
      if (layers == 0)
        CHECK(torch::equal(module.forward(orthogonal), expected));
      else
        CHECK(torch::allclose(module.forward(orthogonal), expected, 0, 1e-12));
      const torch::Tensor constant = module.forward(torch::randn({1, 1, 16}, torch::kFloat64).expand({1, 9, 16}));
      CHECK(torch::allclose(constant, constant.slice(1, 0, 1).expand_as(constant), 0, 1e-12));
      CHECK(module.parameters().size() == std::array<std::size_t, 3>{0, 2, 6}[static_cast<std::size_t>(layers)]);
    }
  }

  TEST_CASE("propagation: a cell gets a gradient through another only when their cosine is positive") {
    for (const double gamma : {0.5, 1.0, 2.0}) {
      CAPTURE(gamma);
      const torch::Tensor x =
          torch::tensor({1.0, 0.2, 0.0, 0.9, 0.3, 0.1, -0.8, 0.1, 0.2}, torch::kFloat64).view({1, 3, 3}).set_requires_grad(true);
      const torch::Tensor weight = torch::tensor({0.3, -0.7, 0.5}, torch::kFloat64);
      (PixelPropagation(3, 0, gamma).forward(x).select(1, 0) * weight).sum().backward();
      CHECK(x.grad()[0][1].abs().max().item<double>() > 1e-3);
      const double opposite = x.grad()[0][2].abs().max().item<double>();
      if (gamma < 1)
        CHECK(opposite < 2e-3);  // the release's 1e-6 under the power leaves a thousandth of it
      else
        CHECK(opposite == 0);
      CHECK(torch::isfinite(x.grad()).all().item<bool>());
    }
  }

  TEST_CASE("neither target nor matches get a gradient; everything that is trained does") {
    for (const auto& more : {nlohmann::json{{"value-layers", 2}}, nlohmann::json{{"instance-weight", 1.0}},
                             nlohmann::json{{"loss", "contrast"}}, nlohmann::json{{"propagation", false}}}) {
      CAPTURE(more.dump());
      Built built = exact(more);
      Crops crops(left, false, middle, true);
      crops.step(built, images(1), images(2)).loss.backward();
      for (const auto& item : built.method->named_parameters()) {
        CAPTURE(item.key());
        CHECK(item.value().grad().defined() == !item.key().starts_with("target."));
        if (item.value().grad().defined()) CHECK(torch::isfinite(item.value().grad()).all().item<bool>());
      }
      const bool propagates = !more.contains("propagation") && !more.contains("loss");
      CHECK(built.method->named_children().contains("propagation") == propagates);
      CHECK(built.method->named_children().contains("predictor") == more.contains("instance-weight"));
    }
  }

  TEST_CASE("a batch without any overlap: loss exactly 0, gradient exactly 0") {
    for (const char* loss : {"consistency", "contrast"}) {
      CAPTURE(loss);
      Built built = exact({{"loss", loss}});
      Crops crops(left, false, right, true);
      const auto outcome = crops.step(built, images(1), images(2));
      CHECK(outcome.loss.item<double>() == 0);
      CHECK(outcome.scalars.at("matched_images").item<double>() == 0);
      outcome.loss.backward();
      for (const auto& item : built.method->named_parameters()) {
        CAPTURE(item.key());
        if (item.value().grad().defined()) CHECK(item.value().grad().abs().max().item<double>() == 0);
      }
    }
  }

  TEST_CASE(
      "exchanging the views changes nothing; a view against itself agrees with itself; mirroring one view is undone by its geometry") {
    for (const auto& more : {nlohmann::json{{"instance-weight", 0.5}}, nlohmann::json{{"loss", "contrast"}}}) {
      CAPTURE(more.dump());
      Built built = exact(more);
      Crops crops(left, false, middle, true);
      const auto outcome = crops.step(built, images(1), images(2));
      CHECK(crops.swapped().step(built, images(2), images(1)).loss.item<double>() ==
            doctest::Approx(outcome.loss.item<double>()).epsilon(1e-12));
      CHECK(outcome.scalars.at("matched_images").item<double>() == 1);
      CHECK(outcome.embedding.sizes().vec() == std::vector<std::int64_t>{8 * 16, 16});  // 4 x 4 cells
    }
    // Without propagation, and while the target is the online network, the best agreement there is.
    Built built = exact({{"propagation", false}});
    Crops same(square, false, square, false), mirrored(square, false, square, true);
    CHECK(same.step(built, images(1), images(1)).loss.item<double>() == doctest::Approx(-4.0).epsilon(1e-6));
    CHECK(mirrored.step(built, images(1), images(1)).loss.item<double>() > -3.9);
  }

  TEST_CASE("the instance branch adds alpha times -2 cos in each direction") {
    Built with = exact({{"instance-weight", 3.0}}), without = exact();
    nn::State shared = nn::named_state(*with.method);
    std::erase_if(shared,
                  [](const auto& item) { return item.first.find("instance") != std::string::npos || item.first.starts_with("predictor"); });
    nn::load_state(*without.method, shared);
    Crops crops(left, false, right, false);  // nothing but the instance branch is left
    const double loss = crops.step(with, images(1), images(2)).loss.item<double>();
    CHECK(std::abs(loss) <= 12.0 + 1e-9);
    CHECK(loss != 0);
    Crops overlap(left, false, middle, false);
    const double more = overlap.step(with, images(1), images(2)).loss.item<double>(),
                 less = overlap.step(without, images(1), images(2)).loss.item<double>();
    CHECK(more - less == doctest::Approx(loss).epsilon(1e-9));
  }

  TEST_CASE("the target follows with m = 0.99, 0.995 and 1 at the beginning, the middle and the end, its batch statistics are its own") {
    const std::string weight = "backbone.conv1.weight", statistics = "backbone.bn1.running_mean";
    const torch::NoGradGuard no_grad;
    struct Case {
      std::int64_t step;  // the update before step k
      double momentum;
    };
    for (const Case& c : {Case{-1, 0.99}, Case{49, 0.995}, Case{99, 1.0}}) {
      CAPTURE(c.step);
      Built built = exact();
      CHECK(torch::equal(built.state("target." + weight), built.state("online." + weight)));
      const torch::Tensor start = built.state("target." + weight).clone();
      built.state("online." + weight).add_(1.0);
      built.state("online." + statistics).add_(5.0);
      const torch::Tensor kept = built.state("target." + statistics).clone();
      built.progress.step = c.step;
      built.method->after_update(built.progress);
      CHECK(torch::allclose(built.state("target." + weight), start + (1 - c.momentum), 0, 1e-12));
      CHECK(torch::equal(built.state("target." + statistics), kept));
    }
  }

  TEST_CASE("views: those of BYOL, with the release's filter and blur; lists that are not of two values are refused") {
    methods::Pixpro method;
    const auto specs = method.views(0);
    REQUIRE(specs.size() == 2);
    for (const auto& spec : specs) {
      CHECK(spec.recipe.size == 224);
      CHECK(spec.recipe.filter == "bilinear");
      CHECK(spec.recipe.blur_kernel == 23);
      CHECK(spec.recipe.scale_min == 0.08);
    }
    CHECK(specs[0].recipe.blur == 1.0);
    CHECK(specs[0].recipe.solarize == 0.0);
    CHECK(specs[1].recipe.blur == 0.1);
    CHECK(specs[1].recipe.solarize == 0.2);
    core::Options options;
    method.describe(options);
    options.set_json({{"view-blurs", {0.5}}}, "test");
    CHECK(test::contains(test::error_of(core::Exit::usage, [&] { method.views(0); }), "--view-blurs"));
  }
}
