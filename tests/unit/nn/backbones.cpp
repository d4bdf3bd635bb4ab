#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "nn/resnet.h"
#include "nn/vit.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace selfsight;
using nlohmann::json;

namespace {

const json& fixture() {
  static const json document = json::parse(core::read_text(std::string(SELFSIGHT_TEST_DATA) + "/parity/nn/backbones.json"));
  return document;
}

std::string key_digest(const torch::nn::Module& module) {
  std::string lines;
  for (const auto& [name, tensor] : nn::named_state(module)) lines += fmt::format("{} [{}]\n", name, fmt::join(tensor.sizes(), ", "));
  return core::digest_of(lines);
}

core::Exit exit_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const core::Error& error) {
    return error.exit();
  }
  return core::Exit::ok;
}

}  // namespace

TEST_CASE("keys, shapes and outputs are torchvision's and timm's") {
  const torch::NoGradGuard no_grad;
  for (const auto& expected : fixture().at("backbones")) {
    CAPTURE(expected.at("options").dump());
    const auto backbone = nn::make_backbone(nn::backbone_options(expected.at("options")));
    formula::fill(*backbone);
    backbone->eval();
    CHECK(nn::named_state(*backbone).size() == expected.at("count").get<std::size_t>());
    CHECK(key_digest(*backbone) == expected.at("keys").get<std::string>());
    const auto side = expected.at("input").get<std::int64_t>();
    const torch::Tensor x = (formula::noise("input", {2, 3, side, side}) * 4).to(torch::kFloat32);
    const nn::Features features = backbone->forward(x);
    formula::check_close(features.pooled, expected.at("pooled"));
    formula::check_close(features.map, expected.at("map"));
    // The memory layout of input and filters changes the speed, not the result.
    for (auto& parameter : backbone->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
    formula::check_close(backbone->forward(x.contiguous(torch::MemoryFormat::ChannelsLast)).map, expected.at("map"));
  }
}

TEST_CASE("ResNet: stems, width, taps, initialisation") {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  const torch::Tensor x = torch::randn({2, 1, 32, 32});
  for (const auto& [stem, side] : std::map<std::string, std::int64_t>{{"imagenet", 8}, {"cifar", 32}, {"stride2", 16}}) {
    CAPTURE(stem);
    const auto backbone = nn::make_backbone({.name = "resnet18", .channels = 1, .stem = stem, .width = 0.25, .zero_init_residual = true});
    CHECK(backbone->feature_dim() == 128);
    const nn::Features out = backbone->forward(x, {"layer1", "layer3"});
    CHECK(out.taps.size() == 2);
    CHECK(out.taps.at("layer1").sizes() == torch::IntArrayRef({2, 16, side, side}));
    CHECK(out.taps.at("layer3").sizes() == torch::IntArrayRef({2, 64, side / 4, side / 4}));
    CHECK(out.map.sizes() == torch::IntArrayRef({2, 128, side / 8, side / 8}));
    CHECK(formula::largest_difference(out.pooled, out.map.mean({2, 3})) == 0);
    const auto state = nn::named_state(*backbone);
    CHECK(state.at("layer2.1.bn2.weight").abs().max().item<double>() == 0);
    CHECK(state.at("layer2.1.bn1.weight").min().item<double>() == 1);
  }
  const auto bottleneck = nn::make_backbone({.name = "resnet50", .zero_init_residual = true});
  const auto state = nn::named_state(*bottleneck);
  CHECK(bottleneck->feature_dim() == 2048);
  CHECK(state.at("layer3.2.bn3.weight").abs().max().item<double>() == 0);
  // Kaiming by fan out: 3x3 convolution to 256 channels, sqrt(2 / (9 * 256)).
  CHECK(state.at("layer3.1.conv2.weight").std().item<double>() == doctest::Approx(std::sqrt(2.0 / (9 * 256))).epsilon(0.01));
  const auto tiny = nn::make_backbone({.name = "resnet10", .width = 0.25});
  CHECK(tiny->depth() == 5);
  CHECK(tiny->depth_of("conv1.weight") == 0);
  CHECK(tiny->depth_of("layer1.0.conv1.weight") == 1);
  CHECK(tiny->depth_of("layer4.0.bn1.bias") == 4);
  CHECK(bottleneck->depth_of("layer3.5.downsample.0.weight") == 13);
}

TEST_CASE("a seed fixes the initial weights") {
  for (const char* name : {"resnet10", "vit-tiny"}) {
    torch::manual_seed(7);
    const auto a = nn::make_backbone({.name = name, .image = 32, .patch = 8, .depth = 2});
    torch::manual_seed(7);
    const auto b = nn::make_backbone({.name = name, .image = 32, .patch = 8, .depth = 2});
    const auto c = nn::make_backbone({.name = name, .image = 32, .patch = 8, .depth = 2});
    const auto one = nn::named_state(*a), same = nn::named_state(*b), other = nn::named_state(*c);
    bool differs = false;
    for (const auto& [key, tensor] : one) {
      CHECK(torch::equal(tensor, same.at(key)));
      differs = differs || !torch::equal(tensor, other.at(key));
    }
    CHECK(differs);
  }
}

TEST_CASE("options to JSON and back; what does not fit is refused") {
  const nn::BackboneOptions options{
      .name = "vit-tiny", .channels = 1, .image = 28, .patch = 7, .depth = 3, .dim = 48, .heads = 4, .positions = "sincos"};
  const json document = nn::to_json(options);
  CHECK(nn::to_json(nn::backbone_options(document)) == document);
  CHECK(document.at("dim") == 48);
  // A built network gives what makes it again, sizes filled in.
  CHECK(nn::make_backbone({.name = "vit-small", .image = 32, .patch = 16})->options().dim == 384);
  json with_more = document;
  with_more["new_field"] = 1;
  CHECK(nn::to_json(nn::backbone_options(with_more)) == document);
  CHECK(exit_of([] { nn::backbone_options(json{{"image", 3}}); }) == core::Exit::bad_data);
  CHECK(exit_of([] { nn::backbone_options(json{{"name", "vit-tiny"}, {"image", "big"}}); }) == core::Exit::bad_data);
  CHECK(exit_of([] { nn::make_backbone({.name = "resnet19"}); }) == core::Exit::usage);
  CHECK(exit_of([] { nn::make_backbone({.name = "resnet18", .stem = "none"}); }) == core::Exit::usage);
  CHECK(exit_of([] { nn::make_backbone({.name = "vit-tiny", .image = 30}); }) == core::Exit::usage);
  CHECK(exit_of([] { nn::make_backbone({.name = "vit-tiny", .heads = 5}); }) == core::Exit::usage);
  CHECK(exit_of([] { nn::make_backbone({.name = "vit-tiny", .positions = "none"}); }) == core::Exit::usage);
  const auto backbone = nn::make_backbone({.name = "resnet10", .width = 0.1});
  CHECK(exit_of([&] { backbone->forward(torch::zeros({1, 1, 32, 32})); }) == core::Exit::bad_data);
  CHECK(exit_of([&] { backbone->forward(torch::zeros({1, 3, 32, 32}), {"layer5"}); }) == core::Exit::usage);
  const auto vit = nn::make_backbone({.name = "vit-tiny", .image = 32, .depth = 1});
  CHECK(exit_of([&] { vit->forward(torch::zeros({1, 3, 40, 32})); }) == core::Exit::bad_data);
  CHECK(exit_of([&] { vit->forward(torch::zeros({1, 3, 32, 32}), {"block-1"}); }) == core::Exit::usage);
}

TEST_CASE("position embeddings agree with the references") {
  for (const auto& expected : fixture().at("sincos")) {
    const torch::Tensor positions = nn::sincos_positions(expected.at("dim"), expected.at("rows"), expected.at("columns"), false);
    CHECK(formula::largest_difference(formula::sample(positions), formula::values(expected.at("values"))) < 1e-6);
  }
  const torch::Tensor native = formula::noise("positions", {1, 196, 8}).to(torch::kFloat32);
  for (const auto& expected : fixture().at("interpolation")) {
    const auto size = expected.at("size").get<std::vector<std::int64_t>>();
    const torch::Tensor resized = nn::interpolate_positions(native, 14, 14, size[0], size[1], expected.at("offset"));
    CHECK(formula::largest_difference(formula::sample(resized), formula::values(expected.at("values"))) < 1e-6);
  }
  CHECK(torch::equal(nn::interpolate_positions(native, 14, 14, 14, 14), native));
}
