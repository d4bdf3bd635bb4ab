// The CUDA engine against the host's. Only in a build with CUDA, and only where a device is.
#ifdef SELFSIGHT_CUDA
#include "data/multi_crop.h"
#include "data/view.h"
#include "kernels/device_views.h"
#include "libtorch.h"
#include "unit/cuda.h"
#include "unit/data/support.h"

namespace selfsight::kernels {
namespace {

data::Image photo(std::uint64_t seed, std::int64_t height, std::int64_t width, std::int64_t channels) {
  data::Image image(height, width, channels);
  core::Rng rng(seed, core::Stream::test);
  const double fx = rng.uniform(0.01, 0.1), fy = rng.uniform(0.01, 0.1);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width * channels; ++x)
      image.row(y)[x] = static_cast<std::uint8_t>(127.5 + 127.5 * std::sin(fx * static_cast<double>(x) + fy * static_cast<double>(y)));
  }
  return image;
}

struct Batch {
  std::vector<data::Recipe> recipes;
  std::vector<data::Stored> pictures;
  std::vector<std::vector<Request>> requests;
};

enum class Coding { pixels, jpeg };

Batch batch(std::uint64_t seed, std::int64_t channels, Coding coding, std::size_t count = 12) {
  Batch out;
  out.recipes = data::multi_crop_recipes(seed % 2 == 0 ? "dino" : "swav", 96, 40, 2);
  out.recipes.push_back(data::eval_recipe(64));
  out.recipes.push_back(data::simclr_recipe(64));
  out.recipes.back().crop = "padded";
  out.requests.resize(out.recipes.size());
  for (std::size_t p = 0; p < count; ++p) {
    core::Rng sizes(seed, core::Stream::test, p);
    const auto height = static_cast<std::int64_t>(sizes.below(300) + 20), width = static_cast<std::int64_t>(sizes.below(300) + 20);
    const data::Image image = photo(seed + p, height, width, channels);
    data::Stored stored;
    if (coding == Coding::jpeg) {
      stored.owned = data::encode_jpeg(image, 95);
    } else {
      const auto* begin = reinterpret_cast<const std::byte*>(image.pixels.data());
      stored.owned.assign(begin, begin + image.pixels.size());
      stored.height = height, stored.width = width, stored.channels = channels;
    }
    stored.bytes = stored.owned;
    out.pictures.push_back(std::move(stored));
    for (std::size_t v = 0; v < out.recipes.size(); ++v) {
      core::Rng rng(seed, core::Stream::view, p, v);
      out.requests[v].push_back({p, data::draw(out.recipes[v], height, width, rng)});
    }
  }
  return out;
}

DeviceViewsOptions options(const Batch& batch, std::int64_t channels, const c10::Device& device) {
  DeviceViewsOptions out;
  out.recipes = batch.recipes;
  out.channels = channels;
  out.mean.assign(static_cast<std::size_t>(channels), 0.45);
  out.stddev.assign(static_cast<std::size_t>(channels), 0.225);
  out.device = device;
  return out;
}

std::vector<at::Tensor> views_of(const Batch& batch, DeviceViewsOptions how) {
  DeviceViews views(std::move(how));
  std::vector<at::Tensor> out;
  for (const at::Tensor& one : views.take(views.make(batch.pictures, batch.requests))) out.push_back(one.cpu());
  return out;
}

}  // namespace

TEST_CASE("from the same pixels, the device makes the same bytes") {
  if (!test::has_cuda_device()) return;
  for (const std::int64_t channels : {3, 1}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Batch one = batch(seed, channels, Coding::pixels);
        DeviceViewsOptions host = options(one, channels, at::kCPU), device = options(one, channels, at::Device("cuda:0"));
        host.dtype = device.dtype = dtype;
        const std::vector<at::Tensor> expected = views_of(one, host), made = views_of(one, device);
        for (std::size_t v = 0; v < made.size(); ++v) {
          CAPTURE(v);
          CAPTURE(seed);
          CHECK(at::equal(made[v], expected[v]));
        }
      }
    }
  }
}

TEST_CASE("JPEGs are decoded on the device, nearly as by libjpeg") {
  if (!test::has_cuda_device()) return;
  const Batch one = batch(7, 3, Coding::jpeg, 80);
  const std::vector<at::Tensor> expected = views_of(one, options(one, 3, at::kCPU));
  DeviceViews views(options(one, 3, at::Device("cuda:0")));
  const std::vector<at::Tensor> made = views.take(views.make(one.pictures, one.requests));
  for (std::size_t v = 0; v < made.size(); ++v) {
    const at::Tensor levels = (made[v].cpu() - expected[v]).abs() * (0.225F * 255);
    MESSAGE("view " << v << ": mean difference " << levels.mean().item<float>() << ", largest " << levels.max().item<float>()
                    << " grey levels");
    CHECK(levels.mean().item<float>() < 2);
  }
  CHECK(views.counts().on_device == 80);
  CHECK(views.counts().refused == 0);
}

TEST_CASE("a batch made while another is in use, and damaged pictures") {
  if (!test::has_cuda_device()) return;
  Batch first = batch(8, 3, Coding::pixels), second = batch(9, 3, Coding::jpeg);
  second.recipes = first.recipes;
  second.pictures[3].owned.resize(second.pictures[3].owned.size() / 2);
  second.pictures[3].bytes = second.pictures[3].owned;
  DeviceViews views(options(first, 3, at::Device("cuda:0")));
  const std::vector<at::Tensor> expected = views_of(first, options(first, 3, at::kCPU));
  ViewsUnderWay ahead = views.make(first.pictures, first.requests);
  for (int round = 0; round < 20; ++round) {
    const std::vector<at::Tensor> now = views.take(ahead);
    const bool damaged = round % 2 == 1;
    const Batch& next = damaged ? first : second;
    ahead = views.make(next.pictures, next.requests);
    CHECK(ahead.bad.size() == (damaged ? 0 : 1));
    for (std::size_t v = 0; v < now.size() && !damaged; ++v) CHECK(at::equal(now[v].cpu(), expected[v]));
  }
  views.take(ahead);
}

}  // namespace selfsight::kernels
#endif
