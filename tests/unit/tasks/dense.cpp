// The judges of dense features: correspondence of cells, and the linear classifier of pixels.
#include "data/labels.h"
#include "nn/cells.h"
#include "tasks/dense_match.h"
#include "tasks/dense_segment.h"
#include "unit/methods/runs.h"

#include <torch/optim/adam.h>

#include <cmath>

using namespace selfsight;
using tasks::count_matches;
using tasks::LinearSegmenter;
using test::Folder;

namespace {

torch::Tensor box(double x0, double y0, double x1, double y1) { return torch::tensor({x0, y0, x1, y1}, torch::kFloat64).view({1, 4}); }

/// A model manifest of a tiny network for colour images, without weights: for --weights untrained.
manifest::Model blank_model() {
  nn::BackboneOptions backbone;
  backbone.name = "resnet10";
  backbone.stem = "stride2";
  backbone.width = 0.25;
  manifest::Model model;
  model.method = "blank";
  model.architecture = nn::to_json(backbone);
  model.input = {32, 32, 3};
  model.mean = {0.5, 0.5, 0.5};
  model.stddev = {0.25, 0.25, 0.25};
  model.feature_dim = 128;
  return model;
}

/// `count` images of height x width, dark left of a border that moves from image to image and bright right of it; labels 0 and 1, the four
/// columns around the border 255.
void halves(const test::fs::path& images, const test::fs::path& labels, std::int64_t count, std::int64_t height, std::int64_t width) {
  for (std::int64_t n = 0; n < count; ++n) {
    data::Image image(height, width, 3);
    data::Labels truth(height, width);
    const std::int64_t border = width / 4 + n * width / (2 * count);
    core::Rng rng(static_cast<std::uint64_t>(n), core::Stream::test);
    for (std::int64_t y = 0; y < height; ++y)
      for (std::int64_t x = 0; x < width; ++x) {
        for (std::int64_t c = 0; c < 3; ++c)
          image.row(y)[3 * x + c] = static_cast<std::uint8_t>((x < border ? 40 : 180) + static_cast<int>(rng.below(40)));
        const bool near = x >= border - 2 && x < border + 2;
        truth.values[static_cast<std::size_t>(y * width + x)] = near ? 255 : (x < border ? 0 : 1);
      }
    core::write_atomically(images / fmt::format("{}.ppm", n), data::encode_pnm(image));
    core::write_atomically(labels / fmt::format("{}.png", n), data::encode_labels(truth));
  }
}

tasks::SegmentOptions options_for(const Folder& folder) {
  tasks::SegmentOptions options;
  options.images = folder / "images";
  options.labels = folder / "labels";
  options.test = folder / "test";
  options.classes = 2;
  options.subject.weights = "untrained";
  options.subject.layer = "layer2";
  return options;
}

}  // namespace

TEST_SUITE("dense") {
  TEST_CASE("matches are counted: cells that know their place, cells that know nothing, mirrored views, views that lie apart") {
    const torch::Tensor place = torch::eye(16).view({1, 16, 4, 4});  // each cell has a channel of its own
    const torch::Tensor crop = box(0.2, 0.3, 0.7, 0.8), mirrored = box(0.7, 0.3, 0.2, 0.8);
    auto counts = count_matches(place, place, crop, crop, 0.7);
    CHECK(counts.cells == 16);
    CHECK(counts.matchable == 16);
    CHECK(counts.right == 16);
    CHECK(counts.same_place == 16);
    CHECK(counts.by_chance == doctest::Approx(1.0));  // one of 16 for each of 16

    counts = count_matches(place, place.flip({3}), crop, mirrored, 0.7);
    CHECK(counts.right == 16);
    CHECK(counts.same_place == 0);
    counts = count_matches(place, place, crop, mirrored, 0.7);  // features of the place in the view, not of the image
    CHECK(counts.right == 0);

    const torch::Tensor blank = torch::ones({1, 16, 4, 4});
    counts = count_matches(blank, blank, crop, crop, 0.71);  // of equals the first cell: it is near to itself and two others
    CHECK(counts.right == 3);
    CHECK(counts.by_chance == doctest::Approx((16 + 2 * 24) / 16.0));

    // The right half of the first view is the left half of the second.
    counts = count_matches(place, place.roll(-2, 3), box(0, 0, 0.4, 0.4), box(0.2, 0, 0.6, 0.4), 0.5);
    CHECK(counts.matchable == 8);
    CHECK(counts.right == 8);
    CHECK(counts.by_chance == doctest::Approx(0.5));
    counts = count_matches(place, place, box(0, 0, 0.3, 0.3), box(0.6, 0.6, 1, 1), 0.7);
    CHECK(counts.matchable == 0);
    CHECK(counts.right == 0);
  }

  TEST_CASE("match: rows with their meaning, the same for any number of workers; the untrained network is named as such") {
    Folder folder;
    auto run = test::make_run("simclr", folder / "run", {{"images", 512}, {"epochs", 1}});
    const auto model = train::pretrain(run);
    auto dataset = test::fashion_mnist();
    tasks::MatchOptions options;
    options.draws = 2;
    options.subject.layer = "layer2";
    options.batch = 500;
    options.workers = 1;
    const auto first = tasks::match_cells(model, dataset, options);
    options.workers = 3;
    options.batch = 64;
    const auto second = tasks::match_cells(model, dataset, options);
    REQUIRE(first.rows.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(first.rows[i].subject == "simclr");
      CHECK(first.rows[i].samples.size() == 2);
      CHECK(first.rows[i].unit == "%");
      CHECK(first.rows[i].protocol.at("cells") == "7 x 7");
      CHECK(first.rows[i].protocol.at("threshold") == 0.7);
      CHECK(first.rows[i].value == doctest::Approx(second.rows[i].value).epsilon(1e-3));
    }
    const double right = first.rows[0].value, above = first.rows[1].value, chance = first.rows[2].value;
    CHECK(chance > 1);
    CHECK(chance < 10);
    CHECK(right > chance + 5);
    CHECK(above == doctest::Approx(100 * (right - chance) / (100 - chance)).epsilon(0.01));
    options.subject.weights = "untrained";
    const auto untrained = tasks::match_cells(model, dataset, options);
    CHECK(untrained.rows[0].subject == "untrained");
    CHECK(untrained.rows[2].value == doctest::Approx(chance).epsilon(1e-12));  // the same views
    CHECK(untrained.rows[0].value != second.rows[0].value);

    options.subject.layer = "pooled";
    CHECK(test::contains(test::error_of(core::Exit::usage, [&] { tasks::match_cells(model, dataset, options); }), "--layer pooled"));
    options.subject.layer = "map";
    // Two images, two small crops of each that lie apart.
    core::write_atomically(folder / "two.json", std::string_view("[0, 1]"));
    auto& few = dataset.splits.at("test");
    few.subset = manifest::File{folder / "two.json", ""};
    few.count = 2;
    options.view.scale_min = options.view.scale_max = 0.01;
    options.draws = 1;
    CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { tasks::match_cells(model, dataset, options); }), "--threshold"));
  }

  TEST_CASE("a transformer's maps: patch tokens in their places, with and without a class token, and of images of other sizes") {
    for (const bool token : {true, false}) {
      nn::BackboneOptions o;
      o.name = "vit-tiny";
      o.image = 16;
      o.patch = 4;
      o.depth = 2;
      o.dim = 12;
      o.heads = 3;
      o.class_token = token;
      o.pool = "mean";
      const auto vit = nn::make_backbone(o);
      vit->eval();
      const torch::NoGradGuard no_grad;
      const torch::Tensor x = torch::randn({2, 3, 16, 24});
      const torch::Tensor map = tasks::feature_map(*vit, x, "block-1");
      CHECK(map.sizes().vec() == std::vector<std::int64_t>{2, 12, 4, 6});
      const torch::Tensor tokens = vit->forward(x, {"block-1"}).taps.at("block-1");
      CHECK(torch::equal(map.select(2, 1).select(2, 2), tokens.select(1, (token ? 1 : 0) + 1 * 6 + 2)));
    }
  }

  TEST_CASE("pairs of images and labels: by their path without suffix; what is missing or double is named") {
    Folder folder;
    for (const char* name : {"images/b_left.png", "images/city/a_left.jpg", "images/other.png", "images/.hidden_left.png",
                             "labels/b_ids.png", "labels/city/a_ids.png"})
      core::write_atomically(folder / name, std::string_view("x"));
    const auto pairs = tasks::labelled_images(folder / "images", folder / "labels", "_left", "_ids");
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0].stem == "b");
    CHECK(pairs[1].stem == "city/a");
    CHECK(pairs[1].labels == folder / "labels/city/a_ids.png");
    const auto error = [&](const std::string& suffix) {
      return test::error_of(core::Exit::bad_data, [&] { tasks::labelled_images(folder / "images", folder / "labels", "_left", suffix); });
    };
    CHECK(test::contains(error("_other"), "labels/b_other.png: missing"));
    core::write_atomically(folder / "images/b_left.jpg", std::string_view("x"));
    CHECK(test::contains(error("_ids"), "b_left.jpg"));
    CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { tasks::labelled_images(folder / "labels", "", "_nothing", ""); }),
                         "no image"));
  }

  TEST_CASE(
      "the classifier: ln K to begin with, void pixels do not count, logits are enlarged bilinearly, classes that can be told apart are") {
    torch::manual_seed(1);
    const std::vector<torch::Tensor> maps = {torch::randn({5, 3, 4}), torch::randn({5, 6, 2})};
    std::vector<torch::Tensor> labels;
    for (const torch::Tensor& map : maps) {  // what the classifier can say, at twice the size
      const torch::Tensor likely = map.slice(0, 0, 3).argmax(0).to(torch::kInt16);
      labels.push_back(likely.repeat_interleave(2, 0).repeat_interleave(2, 1));
    }
    labels[0].select(0, 1).fill_(-1);
    LinearSegmenter segmenter(5, 3, torch::kCPU);
    torch::optim::Adam adam(segmenter.layer()->parameters(), 0.1);
    CHECK(segmenter.train_epoch(maps, labels, 2, 0, 0, [] {}) == doctest::Approx(std::log(3.0)).epsilon(1e-6));
    double loss = 0;
    for (int epoch = 0; epoch < 60; ++epoch) loss = segmenter.train_epoch(maps, labels, 1, 0, epoch, [&] { adam.step(); });
    CHECK(loss < 0.6);

    CHECK(torch::allclose(segmenter.forward(maps[0], 3, 4), segmenter.layer()->forward(maps[0].unsqueeze(0))[0], 0, 1e-6));
    // Twice the size: 3/4 of the nearest cell and 1/4 of the next one, in each direction.
    const torch::Tensor row = segmenter.layer()->forward(maps[0].unsqueeze(0))[0].slice(1, 0, 1);
    const torch::Tensor wide = segmenter.forward(maps[0].slice(1, 0, 1), 1, 8);
    CHECK(torch::allclose(wide.select(2, 2), 0.25 * row.select(2, 0) + 0.75 * row.select(2, 1), 0, 1e-6));

    // Without the rows that are void nothing changes in the loss but their absence.
    LinearSegmenter blank(5, 3, torch::kCPU);
    labels[0].fill_(-1);
    CHECK(blank.train_epoch(maps, labels, 1, 0, 0, [] {}) == doctest::Approx(std::log(3.0)).epsilon(1e-6));
    labels[1].fill_(-1);
    CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { blank.train_epoch(maps, labels, 1, 0, 0, [] {}); }), "--void"));
  }

  TEST_CASE("segment: what can be told by brightness is told; a rerun gives the same bytes and leaves nothing of the run before") {
    Folder folder;
    halves(folder / "images", folder / "labels", 12, 48, 64);
    halves(folder / "test", folder / "truth", 3, 40, 80);
    auto options = options_for(folder);
    options.label_stride = 2;
    const auto made = tasks::segment(blank_model(), options, {folder / "out", "ssl-dense"});
    CHECK(made.folder == folder / "out/untrained");
    CHECK(made.trained == 12);
    CHECK(made.predicted == 3);
    CHECK(made.protocol.at("layer") == "layer2");
    std::int64_t right = 0, all = 0;
    data::Labels truth, predicted;
    for (int n = 0; n < 3; ++n) {
      data::read_labels(folder / fmt::format("truth/{}.png", n), truth);
      data::read_labels(made.folder / fmt::format("{}.png", n), predicted);
      REQUIRE(predicted.height == 40);
      REQUIRE(predicted.width == 80);
      for (std::size_t i = 0; i < truth.values.size(); ++i) {
        all += truth.values[i] != 255 ? 1 : 0;
        right += truth.values[i] == predicted.values[i] ? 1 : 0;
      }
    }
    CHECK(static_cast<double>(right) / static_cast<double>(all) > 0.95);

    const std::string bytes = test::text_of(made.folder / "1.png");
    core::write_atomically(made.folder / "stale.png", std::string_view("x"));
    tasks::segment(blank_model(), options, {folder / "out", "ssl-dense"});
    CHECK(test::text_of(made.folder / "1.png") == bytes);
    CHECK_FALSE(test::fs::exists(made.folder / "stale.png"));
    // Smaller inputs give smaller maps; predictions keep the image's size.
    options.side = 24;
    tasks::segment(blank_model(), options, {folder / "out", "ssl-dense"});
    data::read_labels(made.folder / "1.png", predicted);
    CHECK(predicted.width == 80);
  }

  TEST_CASE("segment: what is wrong with the input is named with file and pixel") {
    Folder folder;
    halves(folder / "images", folder / "labels", 2, 16, 20);
    halves(folder / "test", folder / "truth", 1, 16, 20);
    const auto options = options_for(folder);
    const auto error = [&](core::Exit exit, const tasks::SegmentOptions& wrong) {
      return test::error_of(exit, [&] { tasks::segment(blank_model(), wrong, {folder / "out", "ssl-dense"}); });
    };
    auto wrong = options;
    wrong.classes = 0;
    CHECK(test::contains(error(core::Exit::usage, wrong), "--classes"));
    wrong = options;
    wrong.test = "";
    CHECK(test::contains(error(core::Exit::usage, wrong), "--test"));
    wrong = options;
    wrong.labels = folder / "nowhere";
    CHECK(test::contains(error(core::Exit::no_input, wrong), "nowhere"));
    wrong = options;
    wrong.void_labels = {9};
    CHECK(test::contains(error(core::Exit::bad_data, wrong), "labels/0.png: label 255 at column 3, row 0"));
    wrong = options;
    wrong.subject.layer = "layer9";
    CHECK(test::contains(error(core::Exit::usage, wrong), "--layer layer9"));
    core::write_atomically(folder / "labels/1.png", data::encode_labels(data::Labels(8, 8)));
    CHECK(test::contains(error(core::Exit::bad_data, options), "labels/1.png: 8 x 8 pixels, but the image"));
    core::write_atomically(folder / "images/0.ppm", std::string_view("nonsense"));
    CHECK(test::contains(error(core::Exit::bad_data, options), "images/0.ppm"));
    core::write_atomically(folder / "foreign/notes.txt", std::string_view("precious"));
    test::error_of(core::Exit::cannot_create, [&] { tasks::segment(blank_model(), options, {folder / "foreign", "ssl-dense"}); });
  }
}
