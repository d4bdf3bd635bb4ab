// Pixels as tensors: axes, normalisation, layout.
#include "train/tensors.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace selfsight;

TEST_CASE("pixels of images become N x C x H x W in channels-last memory, those of clips N x C x T x H x W") {
  data::ViewBatch view{.count = 2, .height = 2, .width = 3, .channels = 3, .pixels = std::vector<std::uint8_t>(2 * 4 * 2 * 3 * 3)};
  std::iota(view.pixels.begin(), view.pixels.end(), std::uint8_t{0});
  const train::Normalisation plain{{0.0, 0.0, 0.5}, {1.0, 0.5, 1.0}};
  view.frames = 4;
  const torch::Tensor clips = train::to_tensor(view, plain, torch::kCPU);
  REQUIRE(clips.sizes() == torch::IntArrayRef{2, 3, 4, 2, 3});
  view.frames = 1;
  const torch::Tensor images = train::to_tensor(view, plain, torch::kCPU);
  REQUIRE(images.sizes() == torch::IntArrayRef{2, 3, 2, 3});
  CHECK(images.is_contiguous(torch::MemoryFormat::ChannelsLast));
  const auto value = [](double pixel, int channel) {
    return channel == 0 ? pixel / 255 : channel == 1 ? pixel / 127.5 : (pixel - 127.5) / 255;
  };
  for (int n = 0; n < 2; ++n)
    for (int c = 0; c < 3; ++c)
      for (int y = 0; y < 2; ++y)
        for (int x = 0; x < 3; ++x) {
          CHECK(images[n][c][y][x].item<double>() == doctest::Approx(value(((n * 2 + y) * 3 + x) * 3 + c, c)).epsilon(1e-5));
          for (int t = 0; t < 4; ++t)
            CHECK(clips[n][c][t][y][x].item<double>() == doctest::Approx(value((((n * 4 + t) * 2 + y) * 3 + x) * 3 + c, c)).epsilon(1e-5));
        }
}
