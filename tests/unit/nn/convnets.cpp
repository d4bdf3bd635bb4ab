// NIN, AlexNet and the convolutional encoder: against RotNet's released networks, and by their counts and shapes.
#include "nn/alexnet.h"
#include "nn/conv_encoder.h"
#include "nn/heads.h"
#include "nn/nin.h"
#include "unit/nn/formula.h"
#include "unit/support.h"

#include <nlohmann/json.hpp>

using namespace selfsight;
using nlohmann::json;

namespace {

const json& fixture() {
  static const json document = json::parse(core::read_text(std::string(SELFSIGHT_TEST_DATA) + "/parity/nn/rotnet.json"));
  return document;
}

std::int64_t count(const std::vector<torch::Tensor>& tensors) {
  std::int64_t sum = 0;
  for (const auto& tensor : tensors) sum += tensor.numel();
  return sum;
}

std::int64_t count(const torch::nn::Module& module, const std::string& kind) {
  std::int64_t sum = 0;
  for (const auto& item : module.named_parameters()) sum += item.key().find(kind) != std::string::npos ? item.value().numel() : 0;
  return sum;
}

}  // namespace

TEST_CASE("NIN and AlexNet give what RotNet's released networks give, at every depth") {
  const torch::NoGradGuard no_grad;
  for (const auto& expected : fixture().at("backbones")) {
    CAPTURE(expected.at("options").dump());
    const auto backbone = nn::make_backbone(nn::backbone_options(expected.at("options")));
    formula::fill(*backbone);
    backbone->eval();
    const auto side = expected.at("input").get<std::int64_t>();
    const torch::Tensor x = (formula::noise("input", {2, 3, side, side}) * 4).to(torch::kFloat32);
    const nn::Features features = backbone->forward(x, backbone->taps());
    CHECK(features.taps.size() == expected.at("taps").size());
    for (const auto& [tap, values] : expected.at("taps").items()) {
      CAPTURE(tap);
      formula::check_close(features.taps.at(tap), values);
    }
    formula::check_close(features.map, expected.at("map"));
    formula::check_close(features.pooled, expected.at("pooled"));
    const std::int64_t classifier = backbone->feature_dim() * 4 + 4;
    CHECK(count(backbone->parameters()) + classifier == expected.at("parameters").get<std::int64_t>());
  }
}

TEST_CASE("NIN: the paper's counts, shapes and initial weights") {
  torch::manual_seed(1);
  const auto nin = nn::make_backbone({.name = "nin4", .image = 32});
  CHECK(count(*nin, "conv") == 1406016);
  CHECK(count(*nin, "bn") == 4352);
  CHECK(count(nin->parameters()) + 192 * 4 + 4 == 1411140);
  const torch::NoGradGuard no_grad;
  const nn::Features out = nin->forward(torch::randn({2, 3, 32, 32}), nin->taps());
  CHECK(nin->taps() == nn::Taps{"block1", "block2", "block3", "block4"});
  CHECK(out.taps.at("block1").sizes() == torch::IntArrayRef({2, 96, 16, 16}));
  for (const char* tap : {"block2", "block3", "block4"}) CHECK(out.taps.at(tap).sizes() == torch::IntArrayRef({2, 192, 8, 8}));
  CHECK(torch::equal(out.map, out.taps.at("block4")));
  CHECK(torch::equal(out.pooled, out.map.mean({2, 3})));
  const auto state = nn::named_state(*nin);
  CHECK(state.at("block2.conv1.weight").std().item<double>() == doctest::Approx(std::sqrt(2.0 / (25 * 192))).epsilon(0.01));
  CHECK(state.at("block3.conv2.weight").std().item<double>() == doctest::Approx(std::sqrt(2.0 / 192)).epsilon(0.02));
  CHECK(state.at("block1.bn3.weight").min().item<double>() == 1);
  CHECK_FALSE(state.contains("block1.conv1.bias"));

  // Heads on its second block: two hidden layers of 200, and one more block with a linear layer, for ten classes.
  const nn::Mlp layers({.dims = {192 * 8 * 8, 200, 200, 10}, .batch_norm = true});
  CHECK(count(layers.parameters()) == 2500410);
  const nn::NinBlock block(192, {192, 192, 192}, 3);
  CHECK(count(block.parameters()) + 192 * 10 + 10 == 408586);

  CHECK(nn::make_backbone({.name = "nin3", .width = 0.25})->feature_dim() == 48);
  CHECK(nn::make_backbone({.name = "nin5"})->depth() == 6);
  CHECK(nin->depth_of("block1.conv1.weight") == 1);
  CHECK(nin->depth_of("block4.bn3.bias") == 4);
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { nin->forward(torch::zeros({1, 3, 32, 32}), {"block5"}); }), "block5"));
}

TEST_CASE("NIN: means at the border of the average pool count the zeros of the padding") {
  const torch::NoGradGuard no_grad;
  const auto nin = std::make_shared<nn::Nin>(nn::BackboneOptions{.name = "nin3", .width = 0.02}, 3);
  nin->eval();
  // Block 2 gives a constant map: no weights, a shift of 1.
  for (auto& [name, tensor] : nn::named_state(*nin))
    if (name.starts_with("block2.")) torch::Tensor(tensor).fill_(name.ends_with("bias") || name.ends_with("running_var") ? 1.0 : 0.0);
  const torch::Tensor map = nin->forward(torch::randn({1, 3, 32, 32}), {"block2"}).taps.at("block2")[0][0];
  CHECK(map[0][0].item<double>() == doctest::Approx(4.0 / 9));
  CHECK(map[0][3].item<double>() == doctest::Approx(6.0 / 9));
  CHECK(map[3][3].item<double>() == doctest::Approx(1.0));
}

TEST_CASE("AlexNet: 57,030,724 parameters with four classes, shapes, sizes that do not fit") {
  const torch::NoGradGuard no_grad;
  const auto small = nn::make_backbone({.name = "alexnet", .channels = 1, .image = 224, .width = 0.125});
  const nn::Features out = small->forward(torch::randn({2, 1, 224, 224}), small->taps());
  CHECK(out.taps.at("conv1").sizes() == torch::IntArrayRef({2, 8, 55, 55}));
  CHECK(out.taps.at("conv2").sizes() == torch::IntArrayRef({2, 24, 27, 27}));
  CHECK(out.taps.at("conv5").sizes() == torch::IntArrayRef({2, 32, 13, 13}));
  CHECK(out.map.sizes() == torch::IntArrayRef({2, 32, 6, 6}));
  CHECK(out.pooled.sizes() == torch::IntArrayRef({2, 512}));
  CHECK(small->depth_of("conv1.weight") == 1);
  CHECK(small->depth_of("conv5_bn.bias") == 5);
  CHECK(small->depth_of("fc2_bn.weight") == 7);
  const auto tiny = nn::make_backbone({.name = "alexnet", .image = 63, .width = 0.125});
  CHECK(tiny->forward(torch::randn({2, 3, 63, 63})).map.sizes() == torch::IntArrayRef({2, 32, 1, 1}));
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { nn::make_backbone({.name = "alexnet", .image = 62}); }), "62"));
  test::error_of(core::Exit::bad_data, [&] { tiny->forward(torch::randn({2, 3, 64, 64})); });
}

TEST_CASE("the convolutional encoder: 93,696 parameters, 94,144 with statistics, a code of 4 x 4") {
  torch::manual_seed(2);
  const auto encoder = nn::make_backbone({.name = "conv-encoder", .image = 32});
  CHECK(count(encoder->parameters()) == 93696);
  std::int64_t statistics = 0;
  for (const auto& item : encoder->named_buffers()) statistics += item.value().dim() > 0 ? item.value().numel() : 0;
  CHECK(93696 + statistics == 94144);
  const torch::NoGradGuard no_grad;
  const nn::Features out = encoder->forward(torch::randn({2, 3, 32, 32}), {"block1", "block3"});
  CHECK(out.taps.at("block1").sizes() == torch::IntArrayRef({2, 32, 16, 16}));
  CHECK(out.map.sizes() == torch::IntArrayRef({2, 128, 4, 4}));
  CHECK(torch::equal(out.pooled, out.map.mean({2, 3})));
  CHECK(torch::equal(out.map, out.taps.at("block3")));
  CHECK(encoder->forward(torch::randn({2, 3, 28, 28})).map.size(2) == 3);
  CHECK(encoder->depth_of("bn2.weight") == 2);
  // Glorot and Bengio's bound for 3 x 3 from 32 to 64 channels.
  const torch::Tensor weight = nn::named_state(*encoder).at("conv2.weight");
  const double bound = std::sqrt(6.0 / (9 * (32 + 64)));
  CHECK(weight.abs().max().item<double>() <= bound);
  CHECK(weight.std().item<double>() == doctest::Approx(bound / std::sqrt(3.0)).epsilon(0.02));
  test::error_of(core::Exit::bad_data, [&] { encoder->forward(torch::zeros({1, 3, 7, 32})); });
}

TEST_CASE("a seed fixes the initial weights of these networks too") {
  for (const char* name : {"nin3", "alexnet", "conv-encoder"}) {
    CAPTURE(name);
    const nn::BackboneOptions options{.name = name, .image = 64, .width = 0.1};
    torch::manual_seed(7);
    const auto a = nn::make_backbone(options);
    torch::manual_seed(7);
    const auto b = nn::make_backbone(options), c = nn::make_backbone(options);
    const auto one = nn::named_state(*a), same = nn::named_state(*b), other = nn::named_state(*c);
    bool differs = false;
    for (const auto& [key, tensor] : one) {
      CHECK(torch::equal(tensor, same.at(key)));
      differs = differs || !torch::equal(tensor, other.at(key));
    }
    CHECK(differs);
  }
}
