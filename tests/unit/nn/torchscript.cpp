// What is exported computes what the backbone does, under the same keys, for any registered backbone: there is no list here.
#include "nn/torchscript.h"

#include "core/error.h"
#include "nn/state.h"
#include "unit/nn/formula.h"
#include "unit/support.h"

#include <doctest/doctest.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/serialization/import.h>

using namespace selfsight;

namespace {

const nn::ScriptInput input{.image = 64, .mean = {0.4, 0.5, 0.6}, .stddev = {0.2, 0.25, 0.3}};

std::shared_ptr<nn::Backbone> small(const std::string& name, nn::BackboneOptions options = {}) {
  options.name = name;
  options.image = 64;
  options.width = 0.125;
  options.depth = 2;
  options.dim = 48;
  options.heads = 3;
  auto out = nn::make_backbone(options);
  formula::fill(*out);  // running statistics too
  out->eval();
  return out;
}

torch::jit::Module written_and_read(const test::Folder& folder, nn::Backbone& backbone, nn::Mlp* classifier = nullptr) {
  const auto file = folder.path() / "model.pt";
  nn::save_torchscript(file, nn::to_torchscript(backbone, input, classifier), {{"note.json", "{}"}});
  return torch::jit::load(file.string());
}

std::map<std::string, torch::Tensor> state_of(const torch::jit::Module& module) {
  std::map<std::string, torch::Tensor> out;
  for (const auto& item : module.named_parameters()) out.emplace(item.name, item.value);
  for (const auto& item : module.named_buffers()) out.emplace(item.name, item.value);
  return out;
}

torch::Tensor noise(std::vector<std::int64_t> shape) { return (formula::noise("input", std::move(shape)) * 4).to(torch::kFloat32); }

/// The features as exported are those of the backbone.
void check_same(torch::jit::Module& script, nn::Backbone& backbone, const torch::Tensor& x) {
  const torch::Tensor expected = backbone.forward(x).pooled, found = script.forward({x}).toTensor();
  CHECK(found.sizes() == expected.sizes());
  CHECK(torch::allclose(found, expected, 1e-6, 1e-6 * expected.abs().max().item<double>()));
}

}  // namespace

TEST_CASE("TorchScript: every backbone gives its features, in batches of any size, under its own keys") {
  const torch::NoGradGuard no_grad;
  const test::Folder folder;
  for (const std::string& name : nn::BackboneRegistry::instance().names()) {
    CAPTURE(name);
    const auto backbone = small(name);
    torch::jit::Module script = written_and_read(folder, *backbone);
    for (const std::int64_t count : {1, 5}) check_same(script, *backbone, noise({count, 3, 64, 64}));
    script.eval();
    check_same(script, *backbone, noise({2, 3, 64, 64}).contiguous(torch::MemoryFormat::ChannelsLast));

    const auto expected = nn::named_state(*backbone), found = state_of(script);
    CHECK(found.size() == expected.size());
    for (const auto& [key, tensor] : expected) {
      CAPTURE(key);
      REQUIRE(found.contains(key));
      CHECK(torch::equal(found.at(key), tensor));
    }
    // Which tensors an optimizer would take is as it was; a device is named nowhere.
    CHECK(script.parameters().size() == backbone->parameters().size());
    for (const char* method : {"_features", "normalize"})
      CHECK(script.get_method(method).graph()->toString().find("cpu") == std::string::npos);

    // Other sizes: as the backbone has it, or not at all.
    for (const auto& [height, width] : {std::pair{65, 97}, {96, 32}, {32, 128}}) {
      CAPTURE(height);
      const torch::Tensor x = noise({2, 3, height, width});
      const bool step_32 = name.starts_with("efficientnet");
      if (name.starts_with("vit") || name == "alexnet" || (step_32 && (height % 32 != 0 || width % 32 != 0)))
        CHECK_THROWS_WITH_AS(script.forward({x}), doctest::Contains("the sides of the input must be 64"), std::exception);
      else
        check_same(script, *backbone, x);
    }
    CHECK_THROWS_WITH_AS(script.forward({noise({2, 1, 64, 64})}), doctest::Contains("N x 3 x H x W"), std::exception);
  }
}

TEST_CASE("TorchScript: every way to build a backbone can be traced") {
  const torch::NoGradGuard no_grad;
  const test::Folder folder;
  nn::BackboneOptions grey{.channels = 1, .stem = "cifar"}, fixed{.positions = "sincos", .class_token = false, .pool = "mean"};
  auto resnet = small("resnet50", grey);
  auto script = nn::to_torchscript(*resnet, {.image = 32, .mean = {0.5}, .stddev = {0.5}});
  check_same(script, *resnet, noise({3, 1, 40, 24}));
  const auto vit = small("vit-tiny", fixed);
  script = written_and_read(folder, *vit);
  check_same(script, *vit, noise({3, 3, 64, 64}));
  CHECK(script.named_buffers().size() == 1);  // fixed positions are no parameter there either
  // At another size than its own a ViT is traced with its positions interpolated.
  script = nn::to_torchscript(*vit, {.image = 96, .mean = {0, 0, 0}, .stddev = {1, 1, 1}});
  check_same(script, *vit, noise({2, 3, 96, 96}));
  CHECK_THROWS_AS(nn::to_torchscript(*vit, {.image = 65, .mean = {}, .stddev = {}}), core::Error);
}

TEST_CASE("TorchScript: normalisation, classifier, notes") {
  const torch::NoGradGuard no_grad;
  const test::Folder folder;
  const auto backbone = small("resnet10");
  nn::Mlp classifier({.dims = {backbone->feature_dim(), 7}});
  formula::fill(classifier);
  torch::jit::Module script = written_and_read(folder, *backbone, &classifier);
  const torch::Tensor x = noise({3, 3, 64, 64});
  CHECK(torch::equal(script.get_method("logits")({x}).toTensor(), classifier.forward(backbone->forward(x).pooled)));
  CHECK(state_of(script).contains("classifier.0.weight"));
  CHECK(state_of(script).size() == nn::named_state(*backbone).size() + 2);

  const torch::Tensor pixels = torch::arange(2 * 3 * 4 * 4).remainder(256).to(torch::kUInt8).view({2, 3, 4, 4});
  const torch::Tensor mean = torch::tensor(input.mean).view({-1, 1, 1}), stddev = torch::tensor(input.stddev).view({-1, 1, 1});
  const torch::Tensor expected = (pixels.to(torch::kFloat32) / 255 - mean) / stddev;
  const auto normalize = script.get_method("normalize");
  CHECK(torch::allclose(normalize({pixels}).toTensor(), expected, 1e-6, 1e-6));
  CHECK(torch::allclose(normalize({pixels.to(torch::kFloat32) / 255}).toTensor(), expected, 1e-6, 1e-6));
  CHECK(normalize({pixels.to(torch::kFloat64) / 255}).toTensor().dtype() == torch::kFloat64);
  CHECK(script.attr("mean").toDoubleVector() == input.mean);
  CHECK(script.attr("std").toDoubleVector() == input.stddev);
  CHECK(script.attr("input_size").toIntVector() == std::vector<std::int64_t>{3, 64, 64});

  const auto file = folder.path() / "model.pt";
  CHECK(nn::has_note(file, "note.json"));
  CHECK_FALSE(nn::has_note(file, "other.json"));
  core::write_atomically(folder.path() / "text", std::string_view("no archive"));
  CHECK_FALSE(nn::has_note(folder.path() / "text", "note.json"));
  // The same network gives the same bytes, wherever they lie.
  const auto digest = nn::save_torchscript(file, nn::to_torchscript(*backbone, input), {});
  CHECK(nn::save_torchscript(folder.path() / "other.pt", nn::to_torchscript(*backbone, input), {}) == digest);
}
