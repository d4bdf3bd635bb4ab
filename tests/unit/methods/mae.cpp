// Oracles of MAE (arXiv 2111.06377).
#include "methods/mae.h"
#include "unit/methods/runs.h"

using namespace selfsight;

TEST_CASE("mae: 49 of 196 patches stay, the mask counts the rest, restore inverts the shuffle") {
  torch::manual_seed(5);
  const torch::Tensor noise = torch::rand({3, 196});
  const auto masking = methods::random_masking(noise, 0.75);
  CHECK(masking.keep.size(1) == 49);
  CHECK(torch::equal(masking.mask.sum(1), torch::full({3}, 147.0)));
  const torch::Tensor shuffle = noise.argsort(int64_t{1});
  CHECK(torch::equal(shuffle.gather(1, masking.restore), torch::arange(196).expand({3, 196})));
  CHECK(masking.mask.gather(1, masking.keep).sum().item<double>() == 0.0);  // 0: kept
  CHECK(methods::random_masking(noise, 0.0).keep.size(1) == 196);
}

TEST_CASE("mae: a zero prediction of normalised targets costs 767/768, a perfect one nothing") {
  torch::manual_seed(6);
  const torch::Tensor images = torch::randn({2, 3, 224, 224}, torch::kFloat64);
  const torch::Tensor target = methods::mae_target(images, 16, true);
  const auto masking = methods::random_masking(torch::rand({2, 196}), 0.75);
  const torch::Tensor mask = masking.mask.to(torch::kFloat64);
  CHECK(methods::mae_loss(torch::zeros_like(target), target, mask).item<double>() == doctest::Approx(767.0 / 768.0).epsilon(1e-5));
  CHECK(methods::mae_loss(target, target, mask).item<double>() == 0.0);
}

TEST_CASE("mae: visible patches neither count nor get a gradient") {
  torch::manual_seed(7);
  const torch::Tensor target = torch::randn({2, 16, 12}), mask = methods::random_masking(torch::rand({2, 16}), 0.75).mask;
  torch::Tensor prediction = torch::randn({2, 16, 12}).requires_grad_();
  const torch::Tensor loss = methods::mae_loss(prediction, target, mask);
  loss.backward();
  const torch::Tensor visible = (mask == 0).unsqueeze(-1);
  CHECK((prediction.grad() * visible).abs().sum().item<double>() == 0.0);
  CHECK((prediction.grad() * visible.logical_not()).abs().sum().item<double>() > 0.0);
  const torch::Tensor noisy = prediction.detach() + 100.0 * visible;
  CHECK(methods::mae_loss(noisy, target, mask).item<double>() == doctest::Approx(loss.item<double>()));
}

TEST_CASE("mae: the decoder sees projected tokens where patches stayed and the mask token elsewhere") {
  torch::manual_seed(8);
  methods::MaeOptions options;
  options.decoder_dim = 16;
  options.decoder_depth = 1;
  options.decoder_heads = 2;
  methods::MaeDecoder decoder(options, 24, 4, 12);
  const auto masking = methods::random_masking(torch::rand({2, 16}), 0.75);
  const torch::Tensor encoded = torch::randn({2, 5, 24});
  const auto state = nn::named_state(decoder);
  const torch::Tensor seen = decoder.assemble(encoded, masking.restore) - state.at("positions");
  const torch::Tensor projected = torch::linear(encoded, state.at("embed.weight"), state.at("embed.bias"));
  for (int n = 0; n < 2; ++n) {
    CHECK(torch::allclose(seen[n][0], projected[n][0], 1e-5, 1e-6));
    for (int i = 0; i < 4; ++i) {
      const auto place = masking.keep[n][i].item<std::int64_t>();
      CHECK(torch::allclose(seen[n][1 + place], projected[n][1 + i], 1e-5, 1e-6));
    }
    for (int place = 0; place < 16; ++place)
      if (masking.mask[n][place].item<float>() == 1.0F)
        CHECK(torch::allclose(seen[n][1 + place], state.at("mask_token")[0][0], 1e-5, 1e-6));
  }
}

TEST_CASE("mae: the encoder is blind to removed patches; the class token does not care for the order of the kept ones") {
  torch::manual_seed(9);
  nn::BackboneOptions options;
  options.name = "vit-tiny";
  options.patch = 4;
  options.image = 16;
  options.depth = 2;
  options.dim = 24;
  options.heads = 2;
  options.positions = "sincos";
  const auto vit = std::dynamic_pointer_cast<nn::Vit>(nn::make_backbone(options));
  REQUIRE(vit);
  vit->eval();
  torch::Tensor x = torch::randn({1, 3, 16, 16}).requires_grad_();
  const torch::Tensor tokens = vit->embed(x), keep = torch::tensor({3, 7, 8, 12});
  const torch::Tensor encoded = vit->encode(tokens.index_select(1, keep));
  encoded.sum().backward();
  const torch::Tensor by_patch = nn::patchify(x.grad(), 4).abs().sum(-1)[0];
  for (int i = 0; i < 16; ++i) {
    const bool kept = (keep == i).any().item<bool>();
    CHECK((by_patch[i].item<double>() > 0) == kept);
  }
  const torch::Tensor other = vit->encode(tokens.index_select(1, torch::tensor({12, 3, 8, 7})));
  CHECK(torch::allclose(encoded.select(1, 0), other.select(1, 0), 1e-4, 1e-5));
  // Without masking it is the ordinary network.
  CHECK(torch::allclose(vit->encode(tokens).select(1, 0), vit->forward(x).pooled, 1e-4, 1e-5));
}
