#include "data/contact_sheet.h"

#include "unit/support.h"

#include <algorithm>

using namespace selfsight;
using namespace selfsight::data;

namespace {

Image flat(std::int64_t height, std::int64_t width, std::int64_t channels, std::uint8_t value) {
  Image image(height, width, channels);
  std::fill(image.pixels.begin(), image.pixels.end(), value);
  return image;
}

}  // namespace

TEST_CASE("enlarging repeats each pixel") {
  Image image(2, 2, 1);
  image.pixels = {1, 2, 3, 4};
  CHECK(enlarge(image, 2).pixels == std::vector<std::uint8_t>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4});
  CHECK(enlarge(image, 1).pixels == image.pixels);
}

TEST_CASE("small images are brought to 64 pixels by a whole factor, large ones stay") {
  CHECK(contact_sheet({{flat(28, 28, 1, 0)}}).width == 3 * 28 + 8);
  CHECK(contact_sheet({{flat(96, 96, 1, 0)}}).width == 96 + 8);
  CHECK(contact_sheet({{flat(28, 28, 1, 0)}}, {.scale = 1, .gap = 0}).width == 28);
}

TEST_CASE("cells are as large as their row and column, images stand in their middle") {
  const Image sheet = contact_sheet({{flat(4, 4, 1, 10), flat(2, 2, 1, 20)}, {Image(), flat(2, 2, 3, 30)}}, {.scale = 1, .gap = 1});
  CHECK(sheet.channels == 3);
  CHECK(sheet.width == 1 + 4 + 1 + 2 + 1);
  CHECK(sheet.height == 1 + 4 + 1 + 2 + 1);
  const auto at = [&](std::int64_t y, std::int64_t x) { return static_cast<int>(sheet.row(y)[3 * x + 1]); };
  CHECK(at(0, 0) == 255);
  CHECK(at(1, 1) == 10);
  CHECK(at(1, 6) == 255);  // above the smaller image
  CHECK(at(2, 6) == 20);
  CHECK(at(6, 1) == 255);  // the empty cell
  CHECK(at(6, 6) == 30);
}

TEST_CASE("captions take room and leave ink") {
  const SheetOptions plain{.scale = 1}, captioned{.scale = 1, .row_captions = {"ankle boot"}, .column_captions = {"view"}};
  const Image without = contact_sheet({{flat(40, 40, 1, 255)}}, plain), with = contact_sheet({{flat(40, 40, 1, 255)}}, captioned);
  CHECK(with.width > without.width + 40);
  CHECK(with.height > without.height + 10);
  CHECK(*std::min_element(with.pixels.begin(), with.pixels.end()) < 100);
}

TEST_CASE("a sheet of nothing is refused") {
  test::error_of(core::Exit::bad_data, [] { contact_sheet({}); });
  test::error_of(core::Exit::bad_data, [] { contact_sheet({{Image()}}); });
}
