// The pieces of the vision transformer: oracles of MAE (sections 3 and A.1) and DINO.
#include "nn/vit.h"

#include "nn/state.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

using namespace selfsight;
using formula::largest_difference;

namespace {

std::shared_ptr<nn::Vit> small_vit(nn::BackboneOptions options = {}) {
  options.name = "vit-tiny";
  options.image = 32;
  options.patch = 8;
  options.depth = 3;
  options.dim = 24;
  options.heads = 3;
  return std::dynamic_pointer_cast<nn::Vit>(nn::make_backbone(options));
}

}  // namespace

TEST_CASE("patchify: order and inverse") {
  const torch::Tensor x = torch::arange(2 * 3 * 8 * 12, torch::kFloat32).view({2, 3, 8, 12});
  const torch::Tensor tokens = nn::patchify(x, 4);
  CHECK(tokens.sizes() == torch::IntArrayRef({2, 6, 48}));
  // Patch 4 is grid row 1, column 1; its value at pixel (2, 3), channel 1.
  CHECK(tokens[1][4][(2 * 4 + 3) * 3 + 1].item<float>() == x[1][1][4 + 2][4 + 3].item<float>());
  CHECK(torch::equal(nn::unpatchify(tokens, 4, 3, 2, 3), x));
  const torch::Tensor square = torch::randn({1, 1, 9, 9});
  CHECK(torch::equal(nn::unpatchify(nn::patchify(square, 3), 3, 1), square));
}

TEST_CASE("sin-cos positions: squares sum to half the width, none for the class token, columns first") {
  const torch::Tensor positions = nn::sincos_positions(768, 14, 14, true);
  CHECK(positions.sizes() == torch::IntArrayRef({1, 197, 768}));
  CHECK(positions[0][0].abs().max().item<double>() == 0);
  CHECK((positions[0].slice(0, 1).square().sum(1) - 384).abs().max().item<double>() < 1e-3);
  const torch::Tensor grid = positions[0].slice(0, 1).view({14, 14, 768});
  CHECK(torch::equal(grid[0].slice(1, 0, 384), grid[9].slice(1, 0, 384)));                 // the same column
  CHECK(torch::equal(grid.select(1, 3).slice(1, 384), grid.select(1, 11).slice(1, 384)));  // the same row
  CHECK(grid[0][5][0].item<double>() == doctest::Approx(std::sin(5.0)));
}

TEST_CASE("taps: shapes, attention rows sum to 1, asking for them changes nothing") {
  const torch::NoGradGuard no_grad;
  const auto vit = small_vit();
  formula::fill(*vit);
  const torch::Tensor x = torch::randn({2, 3, 32, 32});
  const nn::Features plain = vit->forward(x), tapped = vit->forward(x, vit->taps());
  CHECK(tapped.taps.size() == 9);
  CHECK(tapped.taps.at("block-2").sizes() == torch::IntArrayRef({2, 17, 24}));
  CHECK(tapped.taps.at("keys-0").sizes() == torch::IntArrayRef({2, 3, 17, 8}));
  const torch::Tensor& attention = tapped.taps.at("attention-1");
  CHECK(attention.sizes() == torch::IntArrayRef({2, 3, 17, 17}));
  CHECK((attention.sum(-1) - 1).abs().max().item<double>() < 1e-5);
  CHECK(attention.std().item<double>() > 1e-3);
  CHECK(largest_difference(plain.map, tapped.map) < 1e-5);
  CHECK(largest_difference(plain.pooled, tapped.pooled) < 1e-5);
}

TEST_CASE("the keys are those that the attention uses") {
  const torch::NoGradGuard no_grad;
  const auto vit = small_vit();
  formula::fill(*vit);
  const torch::Tensor x = torch::randn({1, 3, 32, 32});
  const auto taps = vit->forward(x, {"keys-1", "attention-1", "block-0"}).taps;
  const auto state = nn::named_state(*vit);
  const auto at = [&](const std::string& name) { return state.at("blocks.1." + name); };
  const torch::Tensor h = torch::layer_norm(taps.at("block-0"), {24}, at("norm1.weight"), at("norm1.bias"), 1e-6);
  const torch::Tensor qkv = torch::linear(h, at("attn.qkv.weight"), at("attn.qkv.bias"));
  const torch::Tensor q = qkv.slice(2, 8, 16), k = qkv.slice(2, 24 + 8, 24 + 16);  // the second head
  CHECK(largest_difference(taps.at("keys-1").select(1, 1), k) < 1e-5);
  CHECK(largest_difference(taps.at("attention-1").select(1, 1), torch::softmax(q.matmul(k.transpose(1, 2)) / std::sqrt(8.0), -1)) < 1e-5);
}

TEST_CASE("all tokens encoded are the forward pass; the class token does not see the order of the others") {
  const torch::NoGradGuard no_grad;
  for (const bool class_token : {true, false}) {
    const auto vit = small_vit({.positions = "sincos", .class_token = class_token});
    const torch::Tensor x = torch::randn({2, 3, 32, 32});
    const torch::Tensor tokens = vit->embed(x), encoded = vit->encode(tokens);
    const nn::Features features = vit->forward(x);
    CHECK(tokens.sizes() == torch::IntArrayRef({2, 16, 24}));
    CHECK(encoded.size(1) == (class_token ? 17 : 16));
    CHECK(torch::equal(features.map.flatten(2).transpose(1, 2), encoded.slice(1, class_token ? 1 : 0)));
    // Without a class token the mean is taken before the last norm, as timm's average pooling does.
    const torch::Tensor mean = vit->forward(x, {"block-2"}).taps.at("block-2").mean(1);
    const auto state = nn::named_state(*vit);
    const torch::Tensor normed = torch::layer_norm(mean, {24}, state.at("norm.weight"), state.at("norm.bias"), 1e-6);
    CHECK(largest_difference(features.pooled, class_token ? encoded.select(1, 0) : normed) < (class_token ? 1e-12 : 1e-6));
    if (!class_token) continue;
    const torch::Tensor kept = tokens.index_select(1, torch::tensor({3, 7, 11, 2})),
                        shuffled = tokens.index_select(1, torch::tensor({11, 2, 3, 7}));
    CHECK(largest_difference(vit->encode(kept).select(1, 0), vit->encode(shuffled).select(1, 0)) < 1e-5);
    CHECK(largest_difference(vit->encode(kept).select(1, 1), vit->encode(shuffled).select(1, 3)) < 1e-5);
  }
}

TEST_CASE("what is not encoded gets exactly no gradient") {
  const auto vit = small_vit({.positions = "sincos"});
  const torch::Tensor x = torch::randn({1, 3, 32, 32}).requires_grad_();
  vit->encode(vit->embed(x).index_select(1, torch::tensor({0, 5}))).square().sum().backward();
  const torch::Tensor per_patch = nn::patchify(x.grad(), 8).abs().amax(-1)[0];
  for (std::int64_t i = 0; i < 16; ++i) CHECK((per_patch[i].item<double>() > 0) == (i == 0 || i == 5));
}

TEST_CASE("fixed positions are saved but not trained") {
  const auto vit = small_vit({.positions = "sincos"});
  CHECK(nn::named_state(*vit).contains("pos_embed"));
  for (const auto& item : vit->named_parameters()) CHECK(item.key() != "pos_embed");
  CHECK(small_vit()->named_parameters().contains("pos_embed"));
}

TEST_CASE("other input sizes: small crops, native grid untouched") {
  const torch::NoGradGuard no_grad;
  const auto vit = small_vit();
  CHECK(vit->forward(torch::randn({1, 3, 16, 24})).map.sizes() == torch::IntArrayRef({1, 24, 2, 3}));
  const torch::Tensor x = torch::zeros({1, 3, 32, 32});
  const auto state = nn::named_state(*vit);
  const torch::Tensor bias = state.at("patch_embed.proj.bias");
  CHECK(largest_difference(vit->embed(x) - bias, state.at("pos_embed").slice(1, 1)) < 1e-6);
}

TEST_CASE("drop-path: whole samples, right mean, silent in eval mode") {
  torch::manual_seed(3);
  const torch::Tensor x = torch::ones({4000, 2, 3});
  const torch::Tensor y = nn::drop_path(x, 0.25, true);
  const torch::Tensor per_sample = y.flatten(1);
  CHECK(torch::equal(per_sample.amin(1), per_sample.amax(1)));
  CHECK(per_sample.select(1, 0).eq(0).to(torch::kFloat64).mean().item<double>() == doctest::Approx(0.25).epsilon(0.1));
  CHECK(per_sample.max().item<double>() == doctest::Approx(1 / 0.75));
  CHECK(torch::equal(nn::drop_path(x, 0.25, false), x));
  const torch::NoGradGuard no_grad;
  const auto vit = small_vit({.drop_path = 0.5});
  const torch::Tensor image = torch::randn({8, 3, 32, 32});
  CHECK(largest_difference(vit->forward(image).pooled, vit->forward(image).pooled) > 1e-4);
  vit->eval();
  CHECK(torch::equal(vit->forward(image).pooled, vit->forward(image).pooled));
}

TEST_CASE("depths of parameters") {
  const auto vit = small_vit();
  CHECK(vit->depth() == 4);
  CHECK(vit->depth_of("cls_token") == 0);
  CHECK(vit->depth_of("patch_embed.proj.weight") == 0);
  CHECK(vit->depth_of("blocks.0.norm1.weight") == 1);
  CHECK(vit->depth_of("blocks.2.mlp.fc2.bias") == 3);
  CHECK(vit->depth_of("norm.weight") == 4);
}

TEST_CASE("initialisation: normal for learned positions, Xavier with MAE's") {
  torch::manual_seed(5);
  const auto learned = nn::named_state(*nn::make_backbone({.name = "vit-tiny", .image = 32, .depth = 1}));
  CHECK(learned.at("blocks.0.mlp.fc1.weight").std().item<double>() == doctest::Approx(0.02).epsilon(0.02));
  CHECK(learned.at("blocks.0.attn.qkv.bias").abs().max().item<double>() == 0);
  const auto mae = nn::named_state(*nn::make_backbone({.name = "vit-tiny", .image = 32, .depth = 1, .positions = "sincos"}));
  const double bound = std::sqrt(6.0 / (192 + 768));
  for (const char* name : {"blocks.0.mlp.fc1.weight", "patch_embed.proj.weight"}) {
    CHECK(mae.at(name).abs().max().item<double>() <= bound);
    CHECK(mae.at(name).abs().max().item<double>() > 0.99 * bound);
  }
}
