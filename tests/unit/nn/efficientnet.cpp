// EfficientNet-lite0: its size, its shapes, TensorFlow's padding.
#include "nn/efficientnet.h"

#include <doctest/doctest.h>

using namespace selfsight;

TEST_CASE("efficientnet-lite0 has the published number of weights, timm's keys and its shapes") {
  nn::BackboneOptions options{.name = "efficientnet-lite0"};
  const auto network = nn::make_backbone(options);
  std::int64_t weights = 0;
  for (const auto& parameter : network->parameters()) weights += parameter.numel();
  CHECK(weights == 4652008 - 1281000);  // all but the classifier of 1,000 classes
  const auto parameters = network->named_parameters();
  for (const char* key : {"conv_stem.weight", "bn1.weight", "blocks.0.0.conv_dw.weight", "blocks.0.0.conv_pw.weight",
                          "blocks.1.1.conv_pwl.weight", "blocks.6.0.bn3.bias", "conv_head.weight", "bn2.bias"})
    CHECK_MESSAGE(parameters.contains(key), key);
  network->eval();
  const torch::NoGradGuard no_grad;
  const auto features = network->forward(torch::randn({2, 3, 64, 96}), {"stage1", "stage5"});
  CHECK(features.map.sizes() == torch::IntArrayRef{2, 1280, 2, 3});
  CHECK(features.pooled.sizes() == torch::IntArrayRef{2, 1280});
  CHECK(features.taps.at("stage1").sizes() == torch::IntArrayRef{2, 16, 32, 48});
  CHECK(features.taps.at("stage5").sizes() == torch::IntArrayRef{2, 112, 4, 6});
  CHECK(network->depth_of("conv_stem.weight") == 0);
  CHECK(network->depth_of("blocks.6.0.bn3.bias") == 7);
  CHECK(network->depth_of("bn2.bias") == network->depth());
}

TEST_CASE("padding is TensorFlow's: as many rows as strides begin in the image, the odd zero below and right") {
  const torch::NoGradGuard no_grad;
  nn::SameConv conv(1, 1, 3, 2);
  conv.named_parameters()["weight"].copy_(torch::tensor({1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0}).view({1, 1, 3, 3}));
  const torch::Tensor ones = torch::ones({1, 1, 4, 4});
  // No zero above and left, one below and right: the first place sees all nine, the last of a row six, the last of all four.
  CHECK(torch::equal(conv.forward(ones).flatten(), torch::tensor({511.0, 511.0 - 4 - 32 - 256, 511.0 - 64 - 128 - 256, 1.0 + 2 + 8 + 16})));
  CHECK(conv.forward(torch::ones({1, 1, 5, 7})).sizes() == torch::IntArrayRef{1, 1, 3, 4});
  // Of an odd side the padding is even: one zero on every side.
  CHECK(conv.forward(torch::ones({1, 1, 5, 5}))[0][0][0][0].item<double>() == 16.0 + 32 + 128 + 256);
}

TEST_CASE("a block adds its input only where stride and channels leave it as it is") {
  const torch::NoGradGuard no_grad;
  for (const auto& [out, stride, adds] : {std::tuple{8, 1, true}, std::tuple{8, 2, false}, std::tuple{12, 1, false}}) {
    nn::InvertedResidual block(8, out, 6, 3, stride);
    block.eval();
    block.named_parameters()["bn3.weight"].zero_();  // nothing but the shortcut is left
    const torch::Tensor x = torch::randn({1, 8, 6, 6}), y = block.forward(x);
    CHECK(y.size(1) == out);
    CHECK(y.size(2) == 6 / stride);
    CHECK(torch::equal(y, adds ? x : torch::zeros_like(y)));
  }
}
