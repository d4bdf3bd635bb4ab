#include "nn/state.h"

#include "core/digest.h"
#include "core/error.h"
#include "nn/backbone.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <unistd.h>

using namespace selfsight;
namespace fs = std::filesystem;

namespace {

/// A folder of its own, gone at the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("selfsight-state-{}", ::getpid());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

std::string message_of(const std::function<void()>& body, core::Exit expected) {
  try {
    body();
  } catch (const core::Error& error) {
    CHECK(error.exit() == expected);
    return error.what();
  }
  return "";
}

nn::State renamed(const nn::State& state, const std::function<std::string(const std::string&)>& rename) {
  nn::State out;
  for (const auto& [name, tensor] : state) out.emplace(rename(name), tensor);
  return out;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("safetensors: every type, empty and scalar tensors, other layouts; the same bytes twice") {
  const Folder folder;
  nn::State tensors;
  for (const auto type : {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64, torch::kInt32, torch::kInt16,
                          torch::kInt8, torch::kUInt8, torch::kBool})
    tensors.emplace(c10::toString(type), (torch::randn({3, 5}) * 3).to(type));
  tensors.emplace("scalar", torch::tensor(7, torch::kInt64));
  tensors.emplace("empty", torch::zeros({0, 4}));
  tensors.emplace("transposed", torch::randn({4, 6}).t());
  tensors.emplace("channels last", torch::randn({2, 3, 4, 4}).contiguous(torch::MemoryFormat::ChannelsLast));
  const fs::path file = folder.path / "a.safetensors";
  const std::string digest = nn::save_tensors(file, tensors, {{"made by", "a test"}});
  CHECK(digest == core::digest_of_file(file));
  CHECK(nn::save_tensors(folder.path / "b.safetensors", tensors, {{"made by", "a test"}}) == digest);
  const nn::State back = nn::load_tensors(file);
  CHECK(back.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    CHECK((back.at(name).scalar_type() == tensor.scalar_type()));
    CHECK(torch::equal(back.at(name), tensor));
  }
  fs::resize_file(file, fs::file_size(file) - 3);
  CHECK(contains(message_of([&] { nn::load_tensors(file); }, core::Exit::bad_data), "a.safetensors"));
  CHECK(contains(message_of([&] { nn::load_tensors(folder.path / "none.safetensors"); }, core::Exit::no_input), "none.safetensors"));
}

TEST_CASE("a network's state goes out and in whole") {
  const Folder folder;
  const nn::BackboneOptions options{.name = "resnet10", .width = 0.1};
  const auto a = nn::make_backbone(options), b = nn::make_backbone(options);
  a->forward(torch::randn({4, 3, 32, 32}));
  const auto state = nn::named_state(*a);
  CHECK(state.contains("bn1.num_batches_tracked"));
  nn::save_tensors(folder.path / "w.safetensors", state);
  CHECK(nn::load_state(*b, nn::load_tensors(folder.path / "w.safetensors")).fits());
  for (const auto& [name, tensor] : nn::named_state(*b)) CHECK(torch::equal(tensor, state.at(name)));
  const torch::NoGradGuard no_grad;
  a->eval();
  b->eval();
  const torch::Tensor x = torch::randn({2, 3, 32, 32});
  CHECK(torch::equal(a->forward(x).pooled, b->forward(x).pooled));
  // Values are converted to the module's type.
  nn::State doubles;
  for (const auto& [name, tensor] : state) doubles.emplace(name, tensor.is_floating_point() ? tensor.to(torch::kFloat64) * 2 : tensor);
  nn::load_state(*b, doubles);
  CHECK((nn::named_state(*b).at("conv1.weight").scalar_type() == torch::kFloat32));
  CHECK(torch::equal(nn::named_state(*b).at("conv1.weight"), state.at("conv1.weight") * 2));
}

TEST_CASE("what does not fit is listed, with the prefix that would mend it; nothing is changed") {
  const auto backbone = nn::make_backbone({.name = "resnet10", .width = 0.1});
  const auto other = nn::make_backbone({.name = "resnet10", .width = 0.1});
  const nn::State state = nn::named_state(*other);
  const torch::Tensor before = nn::named_state(*backbone).at("conv1.weight").clone();
  const nn::State wrapped = renamed(state, [](const std::string& name) { return "module.encoder_q." + name; });
  const std::string strip = message_of([&] { nn::load_state(*backbone, wrapped, true, "moco.safetensors"); }, core::Exit::bad_data);
  CHECK(contains(strip, "moco.safetensors"));
  CHECK(contains(strip, "missing (bn1.bias"));
  CHECK(contains(strip, "without the prefix 'module.encoder_q.'"));
  CHECK(torch::equal(nn::named_state(*backbone).at("conv1.weight"), before));
  CHECK(nn::load_state(*backbone, nn::with_prefix_removed(wrapped, "module.encoder_q.")).fits());
  CHECK(torch::equal(nn::named_state(*backbone).at("conv1.weight"), state.at("conv1.weight")));

  torch::nn::Module holder;
  holder.register_module("backbone", backbone);
  CHECK(contains(message_of([&] { nn::load_state(holder, state); }, core::Exit::bad_data), "with the prefix 'backbone.'"));

  nn::State mixed = state;
  mixed.erase("bn1.bias");
  mixed["fc.weight"] = torch::zeros({2, 2});
  mixed["conv1.weight"] = torch::zeros({2, 2});
  const nn::LoadReport report = nn::compare_state(*backbone, mixed);
  CHECK(report.missing == std::vector<std::string>{"bn1.bias"});
  CHECK(report.unexpected == std::vector<std::string>{"fc.weight"});
  CHECK(report.mismatched.size() == 1);
  CHECK(contains(report.mismatched.at(0), "conv1.weight (module [6, 3, 7, 7], state [2, 2])"));
  CHECK(report.advice.empty());
  CHECK_THROWS_AS(nn::load_state(*backbone, mixed), core::Error);
  mixed["layer1.0.bn1.weight"] = torch::full({6}, 9.0);
  CHECK(!nn::load_state(*backbone, mixed, /*strict=*/false).fits());
  CHECK(nn::named_state(*backbone).at("layer1.0.bn1.weight").min().item<double>() == 9);
}
