#include "nn/encoder.h"

#include "nn/heads.h"

#include <doctest/doctest.h>

using namespace selfsight;

TEST_CASE("multi-crop: the head sees the crops of all sizes together") {
  torch::manual_seed(1);
  nn::BackboneOptions options;
  options.name = "resnet10";
  options.stem = "stride2";
  options.width = 0.125;
  auto backbone = nn::make_backbone(options);
  auto head = std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {backbone->feature_dim(), 8, 4}, .batch_norm = true});
  nn::Encoder<nn::Mlp> encoder(backbone, head);
  const torch::Tensor a = torch::randn({6, 3, 16, 16}), b = torch::randn({6, 3, 16, 16}), small = torch::randn({6, 3, 8, 8});
  encoder.train();
  const auto out = nn::forward_by_size(encoder, {a, b, small});
  REQUIRE(out.size() == 3);
  // By hand: two passes of the backbone, one of the head.
  const torch::Tensor features = torch::cat({backbone->forward(torch::cat({a, b})).pooled, backbone->forward(small).pooled});
  const auto expected = head->forward(features).chunk(3);
  for (std::size_t v = 0; v < 3; ++v) CHECK(torch::allclose(out[v], expected[v], 1e-5, 1e-6));
  // One pass of the head for each size gives something else: its batch statistics differ.
  CHECK_FALSE(torch::allclose(out[2], head->forward(backbone->forward(small).pooled), 1e-3, 1e-4));
}
