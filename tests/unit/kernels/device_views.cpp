// From encoded pictures to tensors, on the CPU: what the CUDA engine shares with the host's, and what a device's decoder is given.
#include "kernels/device_views.h"

#include "data/multi_crop.h"
#include "data/view.h"
#include "unit/data/support.h"

#include <ATen/ATen.h>

namespace selfsight::kernels {
namespace {

using data::Image;
using data::Stored;

Stored stored(std::vector<std::byte> bytes) {
  Stored out;
  out.owned = std::move(bytes);
  out.bytes = out.owned;
  return out;
}

/// A smooth picture, which JPEG keeps well.
Image picture(std::int64_t height, std::int64_t width, std::int64_t channels = 3) {
  Image image(height, width, channels);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(i * 200 / image.pixels.size() + 7 * (i % 3));
  return image;
}

Stored pixels(const Image& image) {
  const auto* begin = reinterpret_cast<const std::byte*>(image.pixels.data());
  Stored out = stored({begin, begin + image.pixels.size()});
  out.height = image.height, out.width = image.width, out.channels = image.channels;
  return out;
}

DeviceViewsOptions options(std::vector<data::Recipe> recipes, std::int64_t channels = 3) {
  DeviceViewsOptions out;
  out.recipes = std::move(recipes);
  out.channels = channels;
  out.mean.assign(static_cast<std::size_t>(channels), 0.45);
  out.stddev.assign(static_cast<std::size_t>(channels), 0.225);
  return out;
}

std::vector<std::byte> with(std::vector<std::byte> bytes, std::size_t at, std::initializer_list<int> inserted) {
  std::vector<std::byte> more;
  for (const int one : inserted) more.push_back(static_cast<std::byte>(one));
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
  return bytes;
}

/// The place of a segment's marker byte.
std::size_t marker(const std::vector<std::byte>& jpeg, int kind) {
  for (std::size_t i = 2; i + 1 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == static_cast<std::byte>(kind)) return i + 1;
  }
  FAIL("no such segment");
  return 0;
}

}  // namespace

TEST_CASE("views of a batch are data::apply's, normalised, in channels-last memory") {
  std::vector<Stored> pictures;
  pictures.push_back(stored(data::encode_jpeg(picture(60, 80), 90)));
  pictures.push_back(stored(data::encode_png(picture(33, 45))));
  pictures.push_back(pixels(picture(50, 40)));
  std::vector<data::Recipe> recipes = data::multi_crop_recipes("dino", 48, 20, 2);
  DeviceViews views(options(recipes));
  std::vector<std::vector<Request>> requests(recipes.size());
  std::vector<Image> images;
  for (const Stored& one : pictures) images.push_back(data::decode(one, 3, "picture"));
  // A place may show another picture in another view, as mates do.
  const std::vector<std::size_t> order = {2, 0, 1, 1}, mates = {0, 1, 2, 0};
  for (std::size_t v = 0; v < recipes.size(); ++v) {
    for (std::size_t n = 0; n < order.size(); ++n) {
      const std::size_t which = v == 1 ? mates[n] : order[n];
      core::Rng rng(31, core::Stream::view, v, n);
      requests[v].push_back({which, data::draw(recipes[v], images[which].height, images[which].width, rng)});
    }
  }
  const ViewsUnderWay under_way = views.make(pictures, requests);
  CHECK(under_way.bad.empty());
  const std::vector<at::Tensor> made = views.take(under_way);
  REQUIRE(made.size() == recipes.size());
  for (std::size_t v = 0; v < recipes.size(); ++v) {
    const std::int64_t size = recipes[v].size;
    REQUIRE(made[v].sizes() == at::IntArrayRef({4, 3, size, size}));
    CHECK(made[v].is_contiguous(at::MemoryFormat::ChannelsLast));
    for (std::size_t n = 0; n < order.size(); ++n) {
      const Request& request = requests[v][n];
      Image expected;
      data::apply(images[request.picture], recipes[v], request.drawn, expected);
      const at::Tensor grey = at::from_blob(expected.pixels.data(), {size, size, 3}, at::kByte).permute({2, 0, 1}).to(at::kFloat);
      CHECK(at::equal(made[v][static_cast<std::int64_t>(n)], (grey - 0.45F * 255.0F) / (0.225F * 255.0F)));
    }
  }
  CHECK(views.counts().on_host == 3);
  CHECK(views.counts().on_device == 0);
}

TEST_CASE("pictures that do not decode are listed with the loader's reasons") {
  std::vector<Stored> pictures;
  pictures.push_back(stored(data::encode_jpeg(picture(30, 30), 90)));
  std::vector<std::byte> cut = data::encode_jpeg(data::noise(3, 64, 64), 90);
  cut.resize(cut.size() * 3 / 4);
  pictures.push_back(stored(cut));
  pictures.push_back(stored({std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}));
  const data::Recipe recipe = data::eval_recipe(16);
  std::vector<std::vector<Request>> requests(1);
  for (std::size_t p = 0; p < pictures.size(); ++p) {
    core::Rng rng(1, core::Stream::test);
    requests[0].push_back({p, data::draw(recipe, p == 0 ? 30 : 64, p == 0 ? 30 : 64, rng)});
  }
  DeviceViews views(options({recipe}));
  const ViewsUnderWay under_way = views.make(pictures, requests);
  REQUIRE(under_way.bad.size() == 2);
  CHECK(under_way.bad[0].picture == 1);
  CHECK(test::contains(under_way.bad[0].reason, ": damaged or truncated JPEG"));
  CHECK(under_way.bad[1].picture == 2);
  CHECK(under_way.bad[1].reason.starts_with(": "));
  const at::Tensor made = views.take(under_way)[0];
  CHECK(made[0].abs().max().item<float>() > 0);
  CHECK(made[1].abs().max().item<float>() == 0);
  CHECK(made[2].abs().max().item<float>() == 0);
}

TEST_CASE("what fits nothing is refused") {
  const data::Recipe recipe = data::eval_recipe(16);
  std::vector<Stored> pictures;
  pictures.push_back(stored(data::encode_jpeg(picture(30, 30), 90)));
  DeviceViews views(options({recipe}));
  core::Rng rng(1, core::Stream::test);
  const std::vector<std::vector<Request>> requests = {{{0, data::draw(recipe, 30, 31, rng)}}};
  CHECK(test::contains(test::error_of(core::Exit::internal, [&] { views.make(pictures, requests); }), "30 x 31"));
  test::error_of(core::Exit::internal, [&] { views.make(pictures, {}); });
  test::error_of(core::Exit::internal, [&] { DeviceViews two(options({recipe}, 2)); });
  data::Recipe large = recipe;
  large.size = largest_view + 1;
  test::error_of(core::Exit::usage, [&] { DeviceViews none(options({large})); });
}

TEST_CASE("half-sized types hold the nearest values") {
  const data::Recipe recipe = data::eval_recipe(24);
  std::vector<Stored> pictures;
  pictures.push_back(pixels(picture(40, 40, 1)));
  core::Rng rng(1, core::Stream::test);
  const std::vector<std::vector<Request>> requests = {{{0, data::draw(recipe, 40, 40, rng)}}};
  DeviceViewsOptions how = options({recipe}, 1);
  DeviceViews full(how);
  const at::Tensor expected = full.take(full.make(pictures, requests))[0];
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    how.dtype = dtype;
    DeviceViews half(how);
    CHECK(at::equal(half.take(half.make(pictures, requests))[0], expected.to(dtype)));
  }
}

TEST_CASE("a device's decoder gets plain JPEGs only") {
  const std::vector<std::byte> jpeg = data::encode_jpeg(picture(32, 48), 90), grey = data::encode_jpeg(picture(32, 48, 1), 90);
  CHECK(suits_device(stored(jpeg), 3));
  CHECK(suits_device(stored(jpeg), 1));
  CHECK(suits_device(stored(grey), 1));
  CHECK_FALSE(suits_device(stored(grey), 3));
  CHECK_FALSE(suits_device(stored(data::encode_png(picture(32, 48))), 3));
  CHECK_FALSE(suits_device(pixels(picture(32, 48)), 3));
  CHECK_FALSE(suits_device(stored({}), 3));

  std::vector<std::byte> changed = jpeg;
  changed.resize(jpeg.size() - 20);
  CHECK_FALSE(suits_device(stored(changed), 3));  // cut short
  const std::size_t frame = marker(jpeg, 0xC0);
  for (const int kind : {0xC1, 0xC2, 0xC3, 0xC9}) {  // extended, progressive, lossless, arithmetic
    changed = jpeg;
    changed[frame] = static_cast<std::byte>(kind);
    CHECK_FALSE(suits_device(stored(changed), 3));
  }
  const auto in_frame = [&](std::size_t at, int value) {
    changed = jpeg;
    changed[frame + at] = static_cast<std::byte>(value);
    return suits_device(stored(changed), 3);
  };
  CHECK_FALSE(in_frame(3, 12));  // bits
  CHECK_FALSE(in_frame(8, 4));   // inks
  changed = jpeg;
  for (std::size_t i = 4; i < 8; ++i) changed[frame + i] = std::byte{0xFF};  // 65,535 x 65,535 pixels
  CHECK_FALSE(suits_device(stored(changed), 3));

  // Exif: big-endian, one entry, orientation 1 or 6.
  const auto turned = [&](int orientation) {
    return with(jpeg, 2, {0xFF, 0xE1, 0,    34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M',         0, 42, 0, 0, 0, 8,
                          0,    1,    0x01, 0x12, 0,   3,   0,   0,   0, 1, 0,   orientation, 0, 0,  0, 0, 0, 0});
  };
  CHECK(suits_device(stored(turned(1)), 3));
  CHECK_FALSE(suits_device(stored(turned(6)), 3));

  // Without JFIF, an Adobe segment or the components' names say that they are red, green and blue themselves.
  std::vector<std::byte> bare = jpeg;
  bare.erase(bare.begin() + 2, bare.begin() + 20);
  CHECK(suits_device(stored(bare), 3));
  const auto adobe = [&](int transform) {
    return with(bare, 2, {0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, transform});
  };
  CHECK(suits_device(stored(adobe(1)), 3));
  CHECK_FALSE(suits_device(stored(adobe(0)), 3));
  const std::size_t names = marker(bare, 0xC0) + 9;
  bare[names] = std::byte{'R'}, bare[names + 3] = std::byte{'G'}, bare[names + 6] = std::byte{'B'};
  CHECK_FALSE(suits_device(stored(bare), 3));
}

#ifndef SELFSIGHT_CUDA
TEST_CASE("a build without CUDA says so") {
  DeviceViewsOptions how = options({data::eval_recipe(16)});
  how.device = at::Device("cuda:0");
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { DeviceViews none(how); }), "cuda preset"));
}
#endif

}  // namespace selfsight::kernels
