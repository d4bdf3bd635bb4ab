#include "nn/heads.h"

#include "core/error.h"
#include "nn/losses.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

using namespace selfsight;
using formula::largest_difference;

namespace {

std::vector<std::string> keys(const torch::nn::Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : nn::named_state(module)) out.push_back(name);
  return out;
}

}  // namespace

TEST_CASE("MLP: the children of the published heads") {
  using Keys = std::vector<std::string>;
  CHECK(keys(nn::Mlp({.dims = {8, 6, 4}})) == Keys{"0.bias", "0.weight", "2.bias", "2.weight"});  // MoCo v2
  CHECK(keys(nn::Mlp({.dims = {8, 6, 4}, .batch_norm = true})) ==
        Keys{"0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var", "1.weight", "3.bias", "3.weight"});  // BYOL
  // SimSiam's projector: BN without gain and bias at the end.
  CHECK(keys(nn::Mlp({.dims = {8, 4}, .last_batch_norm = true, .last_affine = false})) ==
        Keys{"0.weight", "1.num_batches_tracked", "1.running_mean", "1.running_var"});
  CHECK(keys(nn::Mlp({.dims = {8, 6, 4}, .bias = false})) == Keys{"0.weight", "2.weight"});
  CHECK_THROWS_AS(nn::Mlp({.dims = {8}}), core::Error);
  CHECK_THROWS_AS(nn::Mlp({.dims = {8, 4}, .activation = "tanh"}), core::Error);
}

TEST_CASE("MLP: values") {
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = torch::randn({5, 8});
  for (const char* activation : {"relu", "gelu"}) {
    nn::Mlp mlp({.dims = {8, 6, 4}, .activation = activation});
    formula::fill(mlp);
    const auto s = nn::named_state(mlp);
    const torch::Tensor hidden = torch::linear(x, s.at("0.weight"), s.at("0.bias"));
    const torch::Tensor expected =
        torch::linear(activation == std::string("relu") ? hidden.clamp_min(0) : hidden * 0.5 * (1 + torch::erf(hidden / std::sqrt(2.0))),
                      s.at("2.weight"), s.at("2.bias"));
    CHECK(largest_difference(mlp.forward(x), expected) < 1e-5);
  }
  nn::Mlp normed({.dims = {8, 6, 4}, .batch_norm = true, .last_batch_norm = true, .last_affine = false});
  const torch::Tensor y = normed.forward(torch::randn({512, 8}));
  CHECK(y.mean(0).abs().max().item<double>() < 1e-5);
  CHECK((y.std(0, /*unbiased=*/false) - 1).abs().max().item<double>() < 1e-3);
}

TEST_CASE("DINO's head: keys, bounded output, fixed gain, scale of its parts") {
  torch::manual_seed(21);
  nn::DinoHead head({.in = 12, .out = 50, .hidden = 16, .bottleneck = 8});
  CHECK(keys(head) == std::vector<std::string>{"last_layer.weight_g", "last_layer.weight_v", "mlp.0.bias", "mlp.0.weight", "mlp.2.bias",
                                               "mlp.2.weight", "mlp.4.bias", "mlp.4.weight"});
  const torch::Tensor x = torch::randn({20, 12}) * 10;
  const torch::Tensor y = head.forward(x);
  CHECK(y.sizes() == torch::IntArrayRef({20, 50}));
  CHECK(y.abs().max().item<double>() <= 1 + 1e-6);
  y.square().sum().backward();
  const auto state = nn::named_state(head);
  CHECK(!state.at("last_layer.weight_g").grad().defined());
  CHECK(head.last_layer()->parameters().size() == 2);
  CHECK(state.at("last_layer.weight_v").grad().abs().max().item<double>() > 0);
  CHECK(state.at("mlp.0.weight").grad().abs().max().item<double>() > 0);
  const torch::NoGradGuard no_grad;
  for (const char* name : {"mlp.4.weight", "mlp.4.bias", "last_layer.weight_v"}) torch::Tensor(state.at(name)).mul_(5);
  CHECK(largest_difference(head.forward(x), y) < 1e-6);
  torch::Tensor(state.at("last_layer.weight_g")).mul_(3);
  CHECK(largest_difference(head.forward(x), 3 * y) < 1e-5);

  nn::DinoHead loose({.in = 12, .out = 50, .hidden = 16, .bottleneck = 8, .norm_last_layer = false});
  CHECK(nn::named_state(loose).at("last_layer.weight_g").requires_grad());
  CHECK(nn::named_state(loose).at("last_layer.weight_g").min().item<double>() == 1);
}

TEST_CASE("prototypes: unit rows, cosines out, gradient reaches them") {
  torch::manual_seed(22);
  nn::Prototypes prototypes(6, 9);
  const torch::Tensor weight = nn::named_state(prototypes).at("weight");
  CHECK(weight.sizes() == torch::IntArrayRef({9, 6}));
  const auto row_error = [&] { return (weight.norm(2, 1) - 1).abs().max().item<double>(); };
  CHECK(row_error() < 1e-6);
  const torch::Tensor z = nn::unit_rows(torch::randn({4, 6}));
  const torch::Tensor scores = prototypes.forward(z);
  CHECK(scores.abs().max().item<double>() <= 1 + 1e-6);
  CHECK(largest_difference(scores, z.matmul(weight.t())) < 1e-6);
  scores.sum().backward();
  CHECK(weight.grad().abs().max().item<double>() > 0);
  {
    const torch::NoGradGuard no_grad;
    torch::Tensor(weight).mul_(torch::rand({9, 1}) + 2);
  }
  CHECK(row_error() > 0.9);
  prototypes.normalize();
  CHECK(row_error() < 1e-6);
  CHECK(weight.requires_grad());
}
