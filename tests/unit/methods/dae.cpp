// The denoising autoencoder of G-SimCLR (arXiv 2009.12007, stage A).
#include "methods/dae.h"

#include "nn/conv_encoder.h"
#include "unit/methods/runs.h"

#include <cmath>

using namespace selfsight;

namespace {

const train::Normalisation normalisation{{0.5, 0.4, 0.3}, {0.25, 0.2, 0.1}};

std::shared_ptr<train::Method> built(const nlohmann::json& values = nlohmann::json::object(), const std::string& arch = "conv-encoder",
                                     std::int64_t image = 32) {
  const auto method = train::MethodRegistry::instance().find("dae", "method").make();
  core::Options options;
  method->describe(options);
  options.set_json(values, "test");
  train::Setup setup;
  setup.backbone.name = arch;
  setup.backbone.stem = "stride2";
  setup.backbone.image = image;
  setup.normalisation = normalisation;
  torch::manual_seed(1);
  method->build(setup);
  method->train();
  return method;
}

torch::Tensor channels(const std::vector<double>& values) { return torch::tensor(values, torch::kFloat32).view({1, 3, 1, 1}); }

/// Values of 0 to 1, and what the trainer makes of them.
torch::Tensor pixels(std::int64_t side = 32) {
  torch::manual_seed(3);
  return torch::rand({4, 3, side, side});
}
torch::Tensor normalised(const torch::Tensor& x) { return (x - channels(normalisation.mean)) / channels(normalisation.stddev); }

train::Outcome step(train::Method& method, const torch::Tensor& x) {
  train::Views views;
  views.x = {x};
  return method.step(views, {});
}

std::int64_t count(const torch::nn::Module& module, bool statistics) {
  std::int64_t sum = 0;
  for (const auto& parameter : module.parameters()) sum += parameter.numel();
  if (statistics)
    for (const auto& item : module.named_buffers())
      if (!item.key().ends_with("num_batches_tracked")) sum += item.value().numel();
  return sum;
}

}  // namespace

TEST_CASE("dae: 335,747 numbers in all, 334,851 of them trained, as the released notebook counts them; the encoder has 94,144") {
  const auto method = built();
  CHECK(count(*method, false) == 334851);
  CHECK(count(*method, true) == 335747);
  CHECK(count(*method->backbone(), false) == 93696);
  CHECK(count(*method->backbone(), true) == 94144);
}

TEST_CASE("dae: the decoder gives an image of the right size for every code") {
  const torch::NoGradGuard no_grad;
  for (const auto& [code, image] :
       {std::pair{4, 32}, std::pair{3, 28}, std::pair{2, 28}, std::pair{8, 32}, std::pair{7, 224}, std::pair{32, 32}}) {
    CAPTURE(image);
    methods::DaeDecoder decoder(16, code, image, 1);
    const torch::Tensor out = decoder.forward(torch::randn({2, 16, code, code}));
    CHECK(out.sizes() == torch::IntArrayRef({2, 1, image, image}));
    CHECK(out.min().item<double>() > 0);
    CHECK(out.max().item<double>() < 1);
  }
  // The published one: 128, 64 and 32 channels.
  const auto state = nn::named_state(methods::DaeDecoder(128, 4, 32, 3));
  CHECK(state.at("conv1.weight").sizes() == torch::IntArrayRef({128, 128, 3, 3}));
  CHECK(state.at("conv2.weight").sizes() == torch::IntArrayRef({64, 128, 3, 3}));
  CHECK(state.at("conv3.weight").sizes() == torch::IntArrayRef({32, 64, 3, 3}));
  CHECK(state.at("predict.weight").sizes() == torch::IntArrayRef({3, 32, 3, 3}));
  for (const auto& [arch, image] : {std::pair{"conv-encoder", 28}, std::pair{"resnet10", 28}, std::pair{"nin3", 32}}) {
    CAPTURE(arch);
    const auto method = built(nlohmann::json::object(), arch, image);
    CHECK(std::isfinite(step(*method, normalised(pixels(image))).loss.item<double>()));
  }
}

TEST_CASE("dae: the error is the mean square against the clean image, values 0 to 1; an answer of one half costs what arithmetic says") {
  const auto method = built({{"noise", 0.0}});
  const torch::NoGradGuard no_grad;
  auto state = nn::named_state(*method);
  state.at("decoder.predict.weight").zero_();  // sigmoid(0) everywhere
  const torch::Tensor x = pixels();
  CHECK(step(*method, normalised(x)).loss.item<double>() ==
        doctest::Approx((x.to(torch::kFloat64) - 0.5).square().mean().item<double>()).epsilon(1e-5));
  state.at("decoder.predict.bias").fill_(std::log(3.0));  // sigmoid: 3/4
  CHECK(step(*method, normalised(x)).loss.item<double>() ==
        doctest::Approx((x.to(torch::kFloat64) - 0.75).square().mean().item<double>()).epsilon(1e-5));
}

TEST_CASE("dae: noise of sigma on the scale of 0 to 1 goes into the encoder, not into the target") {
  const double sigma = 0.2;
  const auto noised = built({{"noise", sigma}}), plain = built({{"noise", 0.0}});  // of one seed
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = pixels();
  torch::manual_seed(9);
  const auto outcome = step(*noised, normalised(x));
  torch::manual_seed(9);
  const torch::Tensor noise = torch::randn_like(x);
  CHECK(noise.std().item<double>() == doctest::Approx(1.0).epsilon(0.03));
  // What the encoder sees is the noised picture, normalised.
  CHECK(torch::allclose(outcome.embedding, step(*plain, normalised(x + sigma * noise)).embedding, 1e-4, 1e-5));
  // The target has no noise: with an answer of one half the error is that of the clean picture.
  for (const auto& method : {noised, plain}) nn::named_state(*method).at("decoder.predict.weight").zero_();
  CHECK(step(*noised, normalised(x)).loss.item<double>() == doctest::Approx(step(*plain, normalised(x)).loss.item<double>()).epsilon(1e-6));
}

TEST_CASE("dae: codes have no noise: the same image always gives the same one") {
  const auto method = built({{"noise", 0.5}});
  const torch::NoGradGuard no_grad;
  const torch::Tensor x = normalised(pixels());
  method->backbone()->eval();
  const auto code = [&] { return train::forward_layer(*method->backbone(), x, "pooled"); };
  CHECK(code().sizes() == torch::IntArrayRef({4, 128}));
  CHECK(torch::equal(code(), code()));
}

TEST_CASE("dae: looking at the code's shape moves neither norms nor the order of random numbers") {
  const auto method = built();
  for (const auto& [name, tensor] : nn::named_state(*method)) {
    CAPTURE(name);
    if (name.ends_with("num_batches_tracked")) CHECK(tensor.item<std::int64_t>() == 0);
    if (name.ends_with("running_mean")) CHECK(tensor.abs().max().item<double>() == 0);
  }
  torch::manual_seed(1);
  const auto alone = nn::make_backbone({.name = "conv-encoder", .image = 32});
  CHECK(torch::equal(nn::named_state(*alone).at("conv3.weight"), nn::named_state(*method).at("encoder.conv3.weight")));
}
