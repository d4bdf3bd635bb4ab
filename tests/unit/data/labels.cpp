#include "data/labels.h"

#include "core/rng.h"
#include "data/png.h"
#include "unit/support.h"

#include <png.h>

#include <cstring>

using namespace selfsight;
using core::Exit;
using test::contains;

namespace {

/// Any PNG, by libpng's own writer: what decode_labels has to cope with beyond what encode_labels makes.
std::vector<std::byte> png_of(const std::vector<std::vector<unsigned char>>& rows, std::uint32_t width, int depth, int type,
                              int interlace = PNG_INTERLACE_NONE, int filters = PNG_ALL_FILTERS) {
  std::vector<std::byte> out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, std::size_t n) {
        auto* to = static_cast<std::vector<std::byte>*>(png_get_io_ptr(p));
        to->insert(to->end(), reinterpret_cast<std::byte*>(bytes), reinterpret_cast<std::byte*>(bytes) + n);
      },
      nullptr);
  png_set_IHDR(png, info, width, static_cast<std::uint32_t>(rows.size()), depth, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> colours(std::size_t{1} << std::min(depth, 8), png_color{10, 200, 30});
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, colours.data(), static_cast<int>(colours.size()));
  const unsigned char clear = 0;
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_tRNS(png, info, &clear, 1, nullptr);
  png_set_filter(png, 0, filters);
  png_write_info(png, info);
  if (depth < 8) png_set_packing(png);
  std::vector<png_bytep> pointers;
  pointers.reserve(rows.size());
  for (const auto& row : rows) pointers.push_back(const_cast<png_bytep>(row.data()));
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

}  // namespace

TEST_CASE("labels are the numbers stored, for every depth, with and without a palette, interlaced or filtered") {
  core::Rng rng(5, core::Stream::test);
  for (const int type : {PNG_COLOR_TYPE_PALETTE, PNG_COLOR_TYPE_GRAY}) {
    for (const int depth : {1, 2, 4, 8, 16}) {
      if (depth == 16 && type == PNG_COLOR_TYPE_PALETTE) continue;
      for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
        const std::uint32_t width = 37, height = 13;
        std::vector<std::vector<unsigned char>> rows(height);
        std::vector<std::uint16_t> expected;
        for (auto& row : rows) {
          for (std::uint32_t x = 0; x < width; ++x) {
            const auto value = static_cast<std::uint16_t>(rng.below(std::uint64_t{1} << depth));
            expected.push_back(value);
            if (depth == 16) row.push_back(static_cast<unsigned char>(value >> 8));
            row.push_back(static_cast<unsigned char>(value));
          }
        }
        CAPTURE(type);
        CAPTURE(depth);
        CAPTURE(interlace);
        data::Labels labels(2, 2);  // another size: it must change
        data::decode_labels(png_of(rows, width, depth, type, interlace), "x.png", labels);
        CHECK(labels.height == height);
        CHECK(labels.width == width);
        CHECK(labels.values == expected);
      }
    }
  }
}

TEST_CASE("every filter by itself, and image data in many parts") {
  core::Rng rng(8, core::Stream::test);
  for (const int filter : {PNG_FILTER_NONE, PNG_FILTER_SUB, PNG_FILTER_UP, PNG_FILTER_AVG, PNG_FILTER_PAETH, PNG_ALL_FILTERS}) {
    for (const int depth : {8, 16}) {
      const std::uint32_t width = 300, height = 120;
      std::vector<std::vector<unsigned char>> rows(height);
      std::vector<std::uint16_t> expected;
      for (auto& row : rows)
        for (std::uint32_t x = 0; x < width; ++x) {
          const auto value = static_cast<std::uint16_t>(rng.below(std::uint64_t{1} << depth));
          expected.push_back(value);
          if (depth == 16) row.push_back(static_cast<unsigned char>(value >> 8));
          row.push_back(static_cast<unsigned char>(value));
        }
      const std::vector<std::byte> png = png_of(rows, width, depth, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, filter);
      CHECK(png.size() > 3 * 8192);  // libpng's parts are 8 KiB long
      data::Labels labels;
      data::decode_labels(png, "x.png", labels);
      CHECK(labels.values == expected);
    }
  }
}

TEST_CASE("interlaced images so small that passes are empty") {
  for (std::uint32_t width = 1; width < 10; ++width)
    for (std::uint32_t height = 1; height < 10; ++height) {
      std::vector<std::vector<unsigned char>> rows(height);
      std::vector<std::uint16_t> expected;
      for (std::uint32_t y = 0; y < height; ++y)
        for (std::uint32_t x = 0; x < width; ++x)
          rows[y].push_back(static_cast<unsigned char>(x + 10 * y)), expected.push_back(rows[y].back());
      data::Labels labels;
      data::decode_labels(png_of(rows, width, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_ADAM7), "x.png", labels);
      CHECK(labels.values == expected);
    }
}

TEST_CASE("labels survive writing and reading: indexed up to 255, 16 bits above") {
  core::Rng rng(6, core::Stream::test);
  test::Folder folder;
  for (const std::uint64_t labels : {2, 256, 257, 65536}) {
    data::Labels image(9, 70), back;
    for (auto& value : image.values) value = static_cast<std::uint16_t>(rng.below(labels));
    image.values[0] = static_cast<std::uint16_t>(labels - 1);
    const std::vector<std::byte> png = data::encode_labels(image);
    CHECK(static_cast<int>(png[24]) == (labels <= 256 ? 8 : 16));
    CHECK(static_cast<int>(png[25]) == (labels <= 256 ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY));
    core::write_atomically(folder / "x.png", png);
    data::read_labels(folder / "x.png", back);
    CHECK(back.height == 9);
    CHECK(back.values == image.values);
  }
  CHECK_THROWS_AS(data::encode_labels(data::Labels()), core::Error);
}

TEST_CASE("the palette written is that of PASCAL VOC") {
  const std::vector<std::byte> png = data::encode_labels(data::Labels(1, 1));
  const auto* found = static_cast<const std::byte*>(memmem(png.data(), png.size(), "PLTE", 4));
  REQUIRE(found != nullptr);
  const auto* colours = reinterpret_cast<const unsigned char*>(found + 4);
  const std::vector<int> expected{0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(static_cast<int>(colours[i]) == expected[i]);
  CHECK(static_cast<int>(colours[3 * 255]) == 224);  // void is nearly white
  CHECK(static_cast<int>(colours[3 * 255 + 1]) == 224);
  CHECK(static_cast<int>(colours[3 * 255 + 2]) == 192);
}

TEST_CASE("what is no label image is refused by name") {
  data::Labels out;
  const auto error = [&](const std::vector<std::byte>& bytes) {
    return test::error_of(Exit::bad_data, [&] { data::decode_labels(bytes, "frame.png", out); });
  };
  const std::vector<unsigned char> colours(3 * 5, 7), alpha(2 * 5, 7);
  CHECK(contains(error(png_of({colours}, 5, 8, PNG_COLOR_TYPE_RGB)), "frame.png: a PNG with colours instead of indices"));
  CHECK(contains(error(png_of({alpha}, 5, 8, PNG_COLOR_TYPE_GRAY_ALPHA)), "transparency"));
  CHECK(contains(error({}), "is empty"));
  CHECK(contains(error(std::vector<std::byte>(100, std::byte{'x'})), "no PNG"));
  CHECK(contains(test::error_of(Exit::no_input, [&] { data::read_labels("/nowhere/x.png", out); }), "/nowhere/x.png"));

  // Cut anywhere, or one byte changed anywhere in the image data: an error, never labels.
  const std::vector<std::byte> whole = data::encode_labels([] {
    data::Labels image(40, 40);
    core::Rng rng(7, core::Stream::test);
    for (auto& value : image.values) value = static_cast<std::uint16_t>(rng.below(9));
    return image;
  }());
  for (std::size_t size = 0; size + 12 < whole.size(); size += 7) error({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
  const auto* data = static_cast<const std::byte*>(memmem(whole.data(), whole.size(), "IDAT", 4));
  for (std::size_t at = static_cast<std::size_t>(data - whole.data()) + 6; at + 20 < whole.size(); at += 5) {
    std::vector<std::byte> damaged = whole;
    damaged[at] ^= std::byte{0x10};
    CHECK(contains(error(damaged), "damaged"));
  }
  // What a reader could take for granted: filters there are five of, image data of one size, a header in front.
  error([&] {
    data::PngHeader header{.width = 4, .height = 1, .depth = 8, .colour = data::PngColour::grey};
    return data::pack_png(header, std::vector<std::uint8_t>{5, 1, 1, 1, 1});
  }());
  for (const std::size_t size : {0, 4, 6, 400}) {
    data::PngHeader header{.width = 4, .height = 1, .depth = 8, .colour = data::PngColour::grey};
    CHECK(contains(error(data::pack_png(header, std::vector<std::uint8_t>(size))), "image data"));
  }
  for (const auto& [depth, colour] : {std::pair(3, 0), {16, 3}, {8, 1}, {4, 2}, {8, 7}})
    CHECK(contains(error(data::pack_png({.width = 4, .height = 1, .depth = depth, .colour = static_cast<data::PngColour>(colour)},
                                        std::vector<std::uint8_t>(5))),
                   "header"));
  std::vector<std::byte> headless = whole;
  headless.erase(headless.begin() + 8, headless.begin() + 8 + 25);
  CHECK(contains(error(headless), "not one header, in front"));
  // A header that promises 2^31 pixels a side is refused before anything of that size is taken.
  std::vector<std::byte> huge = whole;
  for (const std::size_t at : {16, 20}) huge[at] = std::byte{0x7f};
  error(huge);
}
