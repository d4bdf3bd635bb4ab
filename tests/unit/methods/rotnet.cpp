// Oracles of RotNet (arXiv 1803.07728).
#include "methods/rotnet.h"

#include "data/source.h"
#include "unit/methods/runs.h"

#include <cmath>

using namespace selfsight;
using test::Built;
using test::Folder;

namespace {

const std::vector<std::int64_t> all_angles = {0, 90, 180, 270};

torch::Tensor noise(std::int64_t seed, std::vector<std::int64_t> shape) {
  torch::manual_seed(static_cast<std::uint64_t>(seed));
  return torch::randn(shape, torch::kFloat64);
}

/// Eval mode, float64: what a batch gives does not depend on its other rows.
Built quiet(const nlohmann::json& options = nlohmann::json::object()) {
  Built built("rotnet", options);
  built.method->to(torch::kFloat64);
  built.method->eval();
  return built;
}

/// -log softmax(row)_y, as plain arithmetic.
double cross_entropy(const torch::Tensor& row, std::int64_t y) {
  double sum = 0;
  for (std::int64_t k = 0; k < row.size(0); ++k) sum += std::exp(row[k].item<double>());
  return std::log(sum) - row[y].item<double>();
}

std::int64_t parameters_of(const std::string& arch, std::int64_t image) {
  methods::Rotnet method;
  train::Setup setup;
  setup.backbone.name = arch;
  setup.backbone.image = image;
  method.build(setup);
  std::int64_t count = 0;
  for (const auto& parameter : method.parameters()) count += parameter.numel();
  return count;
}

}  // namespace

TEST_CASE("rotnet: a quarter turn is counter-clockwise; four are none, two flip both axes, pixels stay what they are") {
  const torch::Tensor square = torch::tensor({{1.0, 2.0}, {3.0, 4.0}}).view({1, 1, 2, 2});
  CHECK(torch::equal(methods::rotate(square, 1)[0][0], torch::tensor({{2.0, 4.0}, {1.0, 3.0}})));
  const torch::Tensor x = noise(1, {3, 2, 5, 5});
  torch::Tensor turned = x;
  for (int i = 0; i < 4; ++i) {
    CHECK(torch::equal(turned, methods::rotate(x, i)));
    CHECK(torch::equal(std::get<0>(turned.flatten().sort()), std::get<0>(x.flatten().sort())));
    turned = methods::rotate(turned, 1);
  }
  CHECK(torch::equal(turned, x));
  CHECK(torch::equal(methods::rotate(x, 2), x.flip({2, 3})));
  // As released: 90 is a transposition, then a vertical flip; 270 a vertical flip, then a transposition.
  CHECK(torch::equal(methods::rotate(x, 1), x.transpose(2, 3).flip(2)));
  CHECK(torch::equal(methods::rotate(x, 3), x.flip(2).transpose(2, 3)));
}

TEST_CASE("rotnet: all copies of an image are in one batch, every label as often, in the layout of the pixels") {
  const torch::Tensor x = noise(2, {5, 3, 6, 6}).contiguous(torch::MemoryFormat::ChannelsLast);
  const auto batch = methods::rotation_batch(x, all_angles);
  CHECK(batch.images.sizes() == torch::IntArrayRef({20, 3, 6, 6}));
  CHECK(batch.images.is_contiguous(torch::MemoryFormat::ChannelsLast));
  CHECK(torch::equal(batch.labels.bincount(), torch::full({4}, 5, torch::kInt64)));
  for (std::int64_t y = 0; y < 4; ++y)
    for (std::int64_t n = 0; n < 5; ++n) {
      CHECK(batch.labels[y * 5 + n].item<std::int64_t>() == y);
      CHECK(torch::equal(batch.images[y * 5 + n], torch::rot90(x[n], y, {1, 2})));
    }
  const auto two = methods::rotation_batch(x, {0, 180});
  CHECK(torch::equal(two.images, torch::cat({x, x.flip({2, 3})})));
  CHECK(torch::equal(two.labels.bincount(), torch::full({2}, 5, torch::kInt64)));
}

TEST_CASE("rotnet: zero logits cost ln K") {
  for (const auto& [angles, expected] :
       std::vector<std::pair<std::vector<std::int64_t>, double>>{{all_angles, 1.386294}, {{0, 180}, 0.693147}}) {
    Built built("rotnet", {{"rotations", angles}});
    const torch::NoGradGuard no_grad;
    built.state("classifier.weight").zero_();
    const auto outcome = built.step({Built::images(1)});
    CHECK(outcome.loss.item<double>() == doctest::Approx(expected).epsilon(1e-6));
    CHECK(outcome.uniform_loss == doctest::Approx(expected).epsilon(1e-6));
    CHECK(outcome.embedding.size(0) == 8);
    CHECK(built.state("classifier.bias").abs().max().item<double>() == 0);  // as it starts
  }
}

TEST_CASE("rotnet: of images that look the same from all sides a quarter is right, and the loss is at least ln 4") {
  Built built = quiet();
  const torch::Tensor line = torch::arange(16, torch::kFloat64) - 7.5;
  const torch::Tensor radius = (line.square().unsqueeze(0) + line.square().unsqueeze(1)).sqrt();
  const torch::Tensor constant = noise(3, {8, 3, 1, 1}).expand({8, 3, 16, 16});
  for (const torch::Tensor& x : {constant, constant * (radius / 3).sin()}) {
    const auto outcome = built.step({x});
    CHECK(outcome.scalars.at("rotation_accuracy").item<double>() == 0.25);
    CHECK(outcome.loss.item<double>() >= std::log(4.0) - 1e-12);
    const auto batch = methods::rotation_batch(x, all_angles);
    for (std::int64_t y = 1; y < 4; ++y) CHECK(torch::equal(batch.images.narrow(0, 8 * y, 8), x));
  }
}

TEST_CASE("rotnet: a linear layer on mean colours cannot beat ln 4, and stands still at the uniform answer") {
  const auto batch = methods::rotation_batch(noise(4, {16, 3, 8, 8}), all_angles);
  const torch::Tensor means = batch.images.mean({2, 3});
  for (int i = 0; i < 20; ++i) {
    const torch::Tensor weight = noise(10 + i, {4, 3}), bias = noise(40 + i, {4});
    CHECK(torch::cross_entropy_loss(torch::linear(means, weight, bias), batch.labels).item<double>() >= std::log(4.0));
  }
  const torch::Tensor weight = torch::zeros({4, 3}, torch::kFloat64).requires_grad_(),
                      bias = torch::zeros({4}, torch::kFloat64).requires_grad_();
  torch::cross_entropy_loss(torch::linear(means, weight, bias), batch.labels).backward();
  CHECK(weight.grad().abs().max().item<double>() < 1e-15);
  CHECK(bias.grad().abs().max().item<double>() < 1e-15);
}

TEST_CASE("rotnet: the loss is the mean over images and angles; the order of the rows does not matter") {
  Built built = quiet();
  const torch::Tensor x = noise(5, {8, 3, 16, 16});
  const torch::NoGradGuard no_grad;
  const auto network = built.method->backbone();
  const torch::Tensor weight = built.state("classifier.weight"), bias = built.state("classifier.bias");
  double sum = 0, right = 0;
  for (std::int64_t n = 0; n < 8; ++n)
    for (std::int64_t y = 0; y < 4; ++y) {
      const torch::Tensor logits = torch::linear(network->forward(methods::rotate(x.narrow(0, n, 1), y)).pooled, weight, bias)[0];
      sum += cross_entropy(logits, y);
      right += logits.argmax().item<std::int64_t>() == y ? 1 : 0;
    }
  const auto outcome = built.step({x});
  CHECK(outcome.loss.item<double>() == doctest::Approx(sum / 32).epsilon(1e-12));
  CHECK(outcome.scalars.at("rotation_accuracy").item<double>() == doctest::Approx(right / 32));

  const auto batch = methods::rotation_batch(x, all_angles);
  const torch::Tensor order = torch::randperm(32);
  const torch::Tensor logits = torch::linear(network->forward(batch.images.index_select(0, order)).pooled, weight, bias);
  CHECK(torch::cross_entropy_loss(logits, batch.labels.index_select(0, order)).item<double>() == doctest::Approx(sum / 32).epsilon(1e-12));
}

TEST_CASE("rotnet: batch statistics are those of all copies together") {
  Built together("rotnet", nlohmann::json::object());
  const torch::Tensor x = Built::images(6);
  const torch::NoGradGuard no_grad;
  together.step({x});
  const torch::Tensor first =
      torch::conv2d(methods::rotation_batch(x, all_angles).images, together.state("backbone.conv1.weight"), {}, 2, 1);
  CHECK(torch::allclose(together.state("backbone.bn1.running_mean"), 0.1 * first.mean({0, 2, 3}), 1e-4, 1e-5));
}

TEST_CASE("rotnet: the paper's networks with their classifiers") {
  CHECK(parameters_of("nin4", 32) == 1411140);
  CHECK(parameters_of("alexnet", 224) == 57030724);
}

TEST_CASE("rotnet: the profile for CIFAR-10 has the released table of rates, the published one ImageNet's") {
  struct Case {
    const char* profile;
    std::vector<std::pair<std::int64_t, double>> rates;  ///< by epoch
  };
  const std::vector<Case> cases = {{"published", {{0, 0.01}, {14, 0.01}, {15, 1e-3}, {29, 1e-3}, {30, 1e-4}, {45, 1e-5}, {49, 1e-5}}},
                                   {"paper", {{9, 0.01}, {10, 1e-3}, {20, 1e-4}, {29, 1e-4}}},
                                   {"cifar", {{0, 0.1}, {59, 0.1}, {60, 0.02}, {119, 0.02}, {120, 0.004}, {199, 0.0008}}},
                                   {"cifar-paper", {{29, 0.1}, {30, 0.02}, {60, 0.004}, {80, 0.0008}, {99, 0.0008}}}};
  for (const auto& c : cases) {
    CAPTURE(c.profile);
    train::Run run;
    train::choose_method(run, "rotnet", {});
    core::Options options;
    run.describe(options);
    options.set_json(train::profile_values(train::MethodRegistry::instance().find("rotnet", "method"), c.profile), "test");
    CHECK(run.train.epochs == c.rates.back().first + 1);
    CHECK(run.train.lr_batch == 0);
    CHECK(run.optimizer.nesterov);
    CHECK_FALSE(run.optimizer.exclude_1d);
    for (const auto& [epoch, rate] : c.rates) {
      const train::Progress progress{.step = epoch * 10, .total_steps = run.train.epochs * 10, .steps_per_epoch = 10};
      CHECK(run.train.learning_rate(run.train.lr, progress) == doctest::Approx(rate).epsilon(1e-12));
    }
  }
}

TEST_CASE("rotnet: angles that are no quarter turns, too few or given twice are refused") {
  for (const std::vector<std::int64_t>& angles : {std::vector<std::int64_t>{0, 45}, {90}, {0, 90, 90}}) {
    const std::string message = test::error_of(core::Exit::usage, [&] { Built("rotnet", {{"rotations", angles}}); });
    CHECK(test::contains(message, fmt::format("--rotations {}", fmt::join(angles, ","))));
  }
}

TEST_CASE("rotnet: images need not be square, views are; without a size for them the run is refused") {
  const torch::Tensor wide = noise(7, {2, 3, 4, 6});
  CHECK(methods::rotation_batch(wide, {0, 180}).images.size(0) == 4);
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { methods::rotation_batch(wide, all_angles); }), "4 x 6"));

  Folder images;
  for (const std::string name : {"a", "b"})
    for (int i = 0; i < 8; ++i) {
      data::Image image(20, 30, 1);
      for (std::size_t p = 0; p < image.pixels.size(); ++p) image.pixels[p] = static_cast<std::uint8_t>(p * (name == "a" ? 3 : 7) + 11 * i);
      core::write_atomically(images.path() / "train" / name / fmt::format("{:02}.png", i), data::encode_png(image));
    }
  for (const char* crop : {"random", "padded", "centre", "none"}) {
    CAPTURE(crop);
    Folder folder;
    auto run = test::make_run("rotnet", folder.path(), {{"images", 0}, {"batch", 8}, {"view-size", 16}, {"view-crop", crop}});
    run.dataset = data::describe("folder", images.path());
    const auto model = train::pretrain(run);
    CHECK(model.input == std::vector<std::int64_t>{16, 16, 3});
  }
  Folder folder;
  auto run = test::make_run("rotnet", folder.path(), {{"images", 0}, {"batch", 8}});
  run.dataset = data::describe("folder", images.path());
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { train::pretrain(run); }), "--view-size"));
}
