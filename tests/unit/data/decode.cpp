// Decoding parts of a JPEG, at reduced sizes, and all that an encoder or a camera may have done to it.
#include "data/jpeg.h"
#include "data/view.h"
#include "unit/data/support.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <jpeglib.h>

namespace selfsight::data {
namespace {

// A picture with edges and with slopes, so that neither chroma nor filters may be careless.
Image scene(std::int64_t height, std::int64_t width, std::int64_t channels = 3) {
  Image image(height, width, channels);
  core::Rng rng(5, core::Stream::test);
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t c = 0; c < channels; ++c) {
        const std::int64_t square = (x / 9 + y / 7 + c) % 3;
        image.row(y)[x * channels + c] =
            static_cast<std::uint8_t>(square * 60 + (x * 3 + y * (c + 1)) % 110 + static_cast<std::int64_t>(rng.below(20)));
      }
  return image;
}

struct Coding {
  int across = 2, down = 2;  ///< pixels of luma for one of chroma
  bool progressive = false;
  J_COLOR_SPACE in = JCS_RGB, stored = JCS_YCbCr;
};

std::vector<std::byte> coded(const Image& image, const Coding& coding) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = coding.in == JCS_CMYK ? 4 : static_cast<int>(image.channels);
  info.in_color_space = coding.in;
  jpeg_set_defaults(&info);
  jpeg_set_colorspace(&info, coding.stored);
  jpeg_set_quality(&info, 90, TRUE);
  info.comp_info[0].h_samp_factor = coding.across;
  info.comp_info[0].v_samp_factor = coding.down;
  if (coding.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<std::uint8_t> line(static_cast<std::size_t>(image.width * 4));
  for (std::int64_t y = 0; y < image.height; ++y) {
    if (coding.in == JCS_CMYK) {  // the inks of a picture without black, as Adobe stores them
      for (std::int64_t x = 0; x < image.width; ++x) {
        std::copy_n(image.row(y) + 3 * x, 3, line.data() + 4 * x);
        line[static_cast<std::size_t>(4 * x + 3)] = 255;
      }
    } else {
      std::copy_n(image.row(y), image.width * image.channels, line.data());
    }
    JSAMPROW row = line.data();
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const std::unique_ptr<unsigned char, decltype(&std::free)> holder(bytes, &std::free);
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  return {begin, begin + size};
}

Stored of(const std::vector<std::byte>& bytes) {
  Stored stored;
  stored.bytes = bytes;
  return stored;
}

// With an EXIF segment that says how the picture is to be turned.
std::vector<std::byte> turned(std::vector<std::byte> jpeg, int orientation) {
  std::string segment(
      "\xFF\xE1\0\x22"
      "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0?\0\0\0\0\0\0\0",
      36);
  segment[28] = static_cast<char>(orientation);
  const auto bytes = std::as_bytes(std::span(segment));
  jpeg.insert(jpeg.begin() + 2, bytes.begin(), bytes.end());
  return jpeg;
}

const std::vector<Coding> codings = {{},
                                     {.across = 1, .down = 1},
                                     {.across = 2, .down = 1},
                                     {.across = 1, .down = 2},
                                     {.across = 4, .down = 1},
                                     {.progressive = true},
                                     {.across = 1, .down = 1, .in = JCS_RGB, .stored = JCS_RGB}};

bool same_within(const Image& whole, const Image& part, const Part& held, const Box& box) {
  for (std::int64_t y = box.y; y < box.y + box.height; ++y)
    if (!std::equal(whole.row(y) + box.x * whole.channels, whole.row(y) + (box.x + box.width) * whole.channels,
                    part.row(y - held.box.y) + (box.x - held.box.x) * part.channels))
      return false;
  return true;
}

std::string failure(const std::vector<std::byte>& bytes, const Part& wanted) {
  Image out;
  try {
    decode_part(of(bytes), 3, "it", wanted, out);
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::bad_data);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a part of a JPEG has the pixels of the whole, in every coding") {
  const Image image = scene(203, 307), grey = scene(203, 307, 1);
  std::vector<std::pair<std::vector<std::byte>, std::int64_t>> files;
  for (const Coding& coding : codings) files.emplace_back(coded(image, coding), 3);
  files.emplace_back(coded(grey, {.across = 1, .down = 1, .in = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE}), 1);
  files.emplace_back(files.back().first, 3);
  files.emplace_back(files.front().first, 1);
  core::Rng rng(1, core::Stream::test);
  const auto below = [&](std::int64_t bound) { return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(bound))); };
  for (const auto& [bytes, channels] : files) {
    const Image whole = decode(of(bytes), channels, "it");
    REQUIRE((whole.height == 203 && whole.width == 307));
    std::int64_t decoded = 0;
    for (int i = 0; i < 60; ++i) {
      const std::int64_t x = below(300), y = below(200);
      const Box box{x, y, 1 + below(307 - x), 1 + below(203 - y)};
      Image part;
      const Part held = decode_part(of(bytes), channels, "it", {box}, part);
      CAPTURE(box.x);
      CAPTURE(box.y);
      REQUIRE((held.reduce == 1 && held.box.x <= box.x && held.box.y <= box.y));
      REQUIRE(held.box.x + held.box.width >= box.x + box.width);
      REQUIRE(held.box.y + held.box.height >= box.y + box.height);
      REQUIRE((part.width == held.box.width && part.height == held.box.height));
      CHECK(same_within(whole, part, held, box));
      decoded += part.height * part.width;
    }
    CHECK(decoded < 60 * 203 * 307 * 6 / 10);  // it is a part
  }
}

TEST_CASE("a reduced JPEG is the picture's mean over squares, but for the chroma and the edges in it") {
  Image image(160, 240, 3);
  for (std::int64_t y = 0; y < image.height; ++y)
    for (std::int64_t x = 0; x < image.width; ++x)
      for (std::int64_t c = 0; c < 3; ++c) image.row(y)[3 * x + c] = static_cast<std::uint8_t>((x + 2 * y * (c == 1)) % 512 / 2 + 20 * c);
  const std::vector<std::byte> bytes = coded(image, {.across = 1, .down = 1});
  for (const std::int64_t reduce : {2, 4, 8}) {
    Image part;
    const Part held = decode_part(of(bytes), 3, "it", {{50, 30, 97, 64}, reduce}, part);
    REQUIRE(held.reduce == reduce);
    CHECK((held.box.x % reduce == 0 && held.box.y % reduce == 0));
    CHECK((part.width * reduce == held.box.width && part.height * reduce == held.box.height));
    double worst = 0;
    for (std::int64_t y = 30 / reduce + 1; y < 94 / reduce - 1; ++y)
      for (std::int64_t x = 50 / reduce + 1; x < 147 / reduce - 1; ++x)
        for (std::int64_t c = 0; c < 3; ++c) {
          double sum = 0;
          for (std::int64_t j = 0; j < reduce; ++j)
            for (std::int64_t i = 0; i < reduce; ++i) sum += image.row(y * reduce + j)[3 * (x * reduce + i) + c];
          const std::uint8_t made = part.row(y - held.box.y / reduce)[3 * (x - held.box.x / reduce) + c];
          worst = std::max(worst, std::abs(sum / static_cast<double>(reduce * reduce) - made));
        }
    CAPTURE(reduce);
    CHECK(worst < 4);
  }
  Image odd;
  const Part all = decode_part(of(coded(scene(33, 45), {})), 3, "it", {{0, 0, 45, 33}, 8}, odd);
  CHECK((odd.width == 6 && odd.height == 5));
  CHECK((all.box.width == 45 && all.box.height == 33));
}

TEST_CASE("sizes are known before decoding and upright; what must be turned or is of four inks comes whole") {
  const Image image = scene(60, 90);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::vector<std::byte> bytes = turned(coded(image, {}), orientation);
    const auto size = size_before_decoding(of(bytes));
    Image upright;
    const Part held = decode_part(of(bytes), 3, "it", {{10, 10, 20, 20}, 2}, upright);
    REQUIRE(size.has_value());
    CHECK((size->height == (orientation < 5 ? 60 : 90) && size->width == (orientation < 5 ? 90 : 60)));
    if (orientation == 1) {
      CHECK(held.reduce == 2);
    } else {
      CHECK((held.reduce == 1 && held.box.x == 0 && upright.height == size->height && upright.width == size->width));
    }
  }
  // Mirrored along either side, and turned by a quarter: the pixel of a corner tells.
  const Image plain = decode(of(coded(image, {})), 3, "it");
  const auto corner = [&](int orientation) {
    const Image out = decode(of(turned(coded(image, {}), orientation)), 3, "it");
    return std::vector<std::uint8_t>(out.row(0), out.row(0) + 3);
  };
  const auto pixel = [&](std::int64_t y, std::int64_t x) {
    return std::vector<std::uint8_t>(plain.row(y) + 3 * x, plain.row(y) + 3 * x + 3);
  };
  CHECK(corner(2) == pixel(0, 89));
  CHECK(corner(3) == pixel(59, 89));
  CHECK(corner(4) == pixel(59, 0));
  CHECK(corner(6) == pixel(59, 0));
  CHECK(corner(8) == pixel(0, 89));

  const std::vector<std::byte> inks = coded(image, {.across = 1, .down = 1, .in = JCS_CMYK, .stored = JCS_CMYK});
  Image mixed;
  CHECK(decode_part(of(inks), 3, "it", {{10, 10, 20, 20}}, mixed).box.width == 90);
  std::int64_t apart = 0;
  for (std::size_t i = 0; i < mixed.pixels.size(); ++i) apart += std::abs(mixed.pixels[i] - image.pixels[i]);
  CHECK(static_cast<double>(apart) / static_cast<double>(mixed.pixels.size()) < 4);
}

TEST_CASE("a JPEG that is cut short is bad even if the part that is wanted is there") {
  for (const bool progressive : {false, true}) {
    std::vector<std::byte> bytes = coded(scene(200, 200), {.progressive = progressive});
    const Part top{{0, 0, 40, 20}};
    CHECK(failure(bytes, top).empty());
    for (const std::size_t kept : {bytes.size() - 1, bytes.size() * 3 / 4, bytes.size() / 3, std::size_t{20}, std::size_t{3}}) {
      std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
      CAPTURE(kept);
      CHECK(failure(cut, top).starts_with("it: "));
    }
  }
  // Of a header that one reader takes for another picture's, neither size is believed.
  std::vector<std::byte> two = coded(scene(16, 16), {});
  const std::string comment("\xFF\x01\xFF\xFE\x00\x15\xFF\xC0\x00\x11\x08\x01\x00\x01\x00\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01", 25);
  two.insert(two.begin() + 2, std::as_bytes(std::span(comment)).begin(), std::as_bytes(std::span(comment)).end());
  Image sixteen;
  CHECK(size_before_decoding(of(two))->height == 16);
  CHECK(decode_part(of(two), 3, "it", {{0, 0, 8, 8}}, sixteen).box.width <= 16);
  // The last scan of a progressive picture, over and over.
  std::vector<std::byte> many = coded(scene(16, 16), {.progressive = true});
  const std::array start_of_scan = {std::byte{0xFF}, std::byte{0xDA}};
  const auto last = std::find_end(many.begin(), many.end(), start_of_scan.begin(), start_of_scan.end());
  const std::vector<std::byte> scan(last, many.end() - 2);
  for (int i = 0; i < 600; ++i) many.insert(many.end() - 2, scan.begin(), scan.end());
  CHECK(failure(many, {{0, 0, 8, 8}}).find("more than 500 scans") != std::string::npos);
  // A header that claims 65,280 x 65,280 pixels is refused before any memory is taken for them.
  std::vector<std::byte> bomb = coded(scene(16, 16), {});
  const std::array start_of_frame = {std::byte{0xFF}, std::byte{0xC0}};
  const auto frame = std::search(bomb.begin(), bomb.end(), start_of_frame.begin(), start_of_frame.end());
  REQUIRE(frame != bomb.end());
  for (int i = 5; i < 9; ++i) frame[i] = i % 2 == 1 ? std::byte{0xFF} : std::byte{0};
  CHECK(failure(bomb, {{0, 0, 8, 8}}).find("more than") != std::string::npos);
  for (int i = 5; i < 9; ++i) frame[i] = i % 2 == 1 ? std::byte{0x3F} : std::byte{0};  // 16,128 x 16,128, which an image may have
  CHECK(failure(bomb, {{0, 0, 8, 8}}).find("bytes cannot hold 16128 x 16128 pixels") != std::string::npos);
}

TEST_CASE("what an image is its bytes say, not its name, and what it claims to be is looked at first") {
  const Image image = scene(20, 30);
  CHECK(decode(of(encode_png(image)), 3, "photo.jpg").pixels == image.pixels);
  CHECK(decode(of(coded(image, {})), 3, "photo.png").height == 20);
  const std::string text = "<html>404 not found</html>";
  CHECK(failure({std::as_bytes(std::span(text)).begin(), std::as_bytes(std::span(text)).end()}, {}).starts_with("it: "));
  CHECK(failure({}, {}) == "it: empty");
  std::vector<std::byte> bomb = encode_png(image);  // 65,280 x 65,280 pixels
  for (int i = 16; i < 24; ++i) bomb[static_cast<std::size_t>(i)] = i % 4 == 2 ? std::byte{0xFF} : std::byte{0};
  CHECK(failure(bomb, {}).find("more pixels than") != std::string::npos);
  for (int i = 16; i < 24; ++i) bomb[static_cast<std::size_t>(i)] = i % 4 == 2 ? std::byte{0x3F} : std::byte{0};
  CHECK(failure(bomb, {}).find("too little image data") != std::string::npos);
  bomb.resize(30);
  CHECK(failure(bomb, {}).find("truncated PNG") != std::string::npos);
}

TEST_CASE("a view of a part is the view of the whole, to the last bit where nothing is reduced") {
  const std::vector<std::byte> bytes = coded(scene(300, 420), {});
  const Image whole = decode(of(bytes), 3, "it");
  std::vector<Recipe> recipes = {simclr_recipe(64),
                                 mae_recipe(96),
                                 eval_recipe(64),
                                 eval_recipe(300),
                                 Recipe{.size = 48, .crop = "padded"},
                                 Recipe{.size = 64, .crop = "none"}};
  recipes.front().scale_max = 0.1;  // sides below twice the view's
  recipes[1].scale_max = 0.25;
  for (const Recipe& recipe : recipes)
    for (std::uint64_t i = 0; i < 25; ++i) {
      core::Rng rng(2, core::Stream::view, 0, i, 0);
      const Drawn drawn = draw(recipe, 300, 420, rng);
      const Part wanted = needed(recipe, drawn);
      Image part, expected, made(recipe.size, recipe.size, 3);
      const Part held = decode_part(of(bytes), 3, "it", wanted, part);
      apply(whole, recipe, drawn, expected);
      apply(part, held, recipe, drawn, made);
      CAPTURE(recipe.crop);
      CAPTURE(recipe.size);
      REQUIRE(held.reduce == 1);
      CHECK(made.pixels == expected.pixels);
    }
}

TEST_CASE("crops of twice the view's size and more come from a reduced picture, much like those of the whole") {
  const std::vector<std::byte> bytes = coded(scene(640, 900), {.across = 1, .down = 1});
  const Image whole = decode(of(bytes), 3, "it");
  Recipe recipe{.size = 32, .scale_min = 0.02};
  std::set<std::int64_t> reduced;
  for (std::uint64_t i = 0; i < 60; ++i) {
    core::Rng rng(3, core::Stream::view, 0, i, 0);
    const Drawn drawn = draw(recipe, 640, 900, rng);
    const Part wanted = needed(recipe, drawn);
    const std::int64_t side = std::min(drawn.geometry.box.width, drawn.geometry.box.height);
    CHECK(side >= wanted.reduce * recipe.size);
    CHECK((wanted.reduce == 8 || side < 2 * wanted.reduce * recipe.size));
    reduced.insert(wanted.reduce);
    Image part, expected, made(recipe.size, recipe.size, 3);
    const Part held = decode_part(of(bytes), 3, "it", wanted, part);
    apply(whole, recipe, drawn, expected);
    apply(part, held, recipe, drawn, made);
    double apart = 0;
    for (std::size_t k = 0; k < made.pixels.size(); ++k) apart += std::abs(made.pixels[k] - expected.pixels[k]);
    CHECK(apart / static_cast<double>(made.pixels.size()) < 6);
  }
  CHECK(reduced == std::set<std::int64_t>{2, 4, 8});
  const Part both = together({{10, 20, 30, 40}, 4}, {{5, 50, 10, 100}, 2});
  CHECK((both.box.x == 5 && both.box.y == 20 && both.box.width == 35 && both.box.height == 130 && both.reduce == 2));
}

}  // namespace selfsight::data
