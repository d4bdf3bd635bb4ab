// Masks against pycocotools' own results, and against masks that are unpacked.
#include "metrics/rle.h"

#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <random>

namespace m = selfsight::metrics;
using selfsight::core::Exit;
using selfsight::test::contains;
using selfsight::test::error_of;

namespace {

std::vector<std::uint8_t> random_bitmap(std::mt19937& random, std::uint32_t height, std::uint32_t width) {
  std::vector<std::uint8_t> out(std::size_t{height} * width);
  const auto share = static_cast<int>(random() % 5) * 25;
  bool on = false;
  for (auto& pixel : out) {
    if (random() % 4 == 0) on = static_cast<int>(random() % 100) < share;
    pixel = on ? 1 : 0;
  }
  return out;
}

m::Rle from_text(const std::string& text, std::uint32_t height, std::uint32_t width) {
  m::Rle out;
  m::rle_from_text(text, height, width, out);
  return out;
}

}  // namespace

TEST_CASE("polygons, unions, areas, boxes and overlaps are those of pycocotools, bit for bit") {
  const auto cases = nlohmann::json::parse(std::ifstream(SELFSIGHT_TEST_DATA "/parity/metrics/rle.json"));
  REQUIRE(cases.size() >= 100);
  for (const auto& one : cases) {
    const auto height = one.at("height").get<std::uint32_t>(), width = one.at("width").get<std::uint32_t>();
    std::vector<m::Rle> parts;
    for (std::size_t i = 0; i < one.at("polygons").size(); ++i) {
      parts.push_back(m::rle_of_polygon(one.at("polygons")[i].get<std::vector<double>>(), height, width));
      CHECK(m::rle_to_text(parts.back()) == one.at("single")[i].get<std::string>());
    }
    const m::Rle merged = m::rle_union(parts), other = from_text(one.at("other"), height, width);
    CHECK(m::rle_to_text(merged) == one.at("union").get<std::string>());
    CHECK(m::rle_area(merged) == one.at("area").get<std::uint32_t>());
    CHECK(m::rle_box(merged) == one.at("box").get<m::Box>());
    CHECK(m::rle_box(other) == one.at("other_box").get<m::Box>());
    CHECK(m::rle_iou(merged, other, false) == one.at("iou").get<double>());
    CHECK(m::rle_iou(merged, other, true) == one.at("crowd").get<double>());
  }
}

TEST_CASE("everything that is counted on run lengths is what unpacked masks say") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::uint32_t height = 1 + random() % 12, width = 1 + random() % 12;
    const auto a = random_bitmap(random, height, width), b = random_bitmap(random, height, width);
    const m::Rle one = m::rle_of_mask(a, height, width), other = m::rle_of_mask(b, height, width);
    CHECK(m::mask_of_rle(one) == a);
    CHECK(from_text(m::rle_to_text(one), height, width) == one);
    std::uint32_t common = 0, area = 0, either = 0, left = width, right = 0, top = height, bottom = 0;
    std::vector<std::uint8_t> both(a.size());
    for (std::uint32_t i = 0; i < a.size(); ++i) {
      common += a[i] & b[i];
      area += a[i];
      both[i] = a[i] | b[i];
      either += both[i];
      if (a[i] == 0) continue;
      left = std::min(left, i / height), right = std::max(right, i / height + 1);
      top = std::min(top, i % height), bottom = std::max(bottom, i % height + 1);
    }
    CHECK(m::rle_area(one) == area);
    CHECK(m::rle_intersection(one, other) == common);
    CHECK(m::rle_union(std::vector{one, other}) == m::rle_of_mask(both, height, width));
    CHECK(m::rle_iou(one, other, false) == (common == 0 ? 0.0 : static_cast<double>(common) / either));
    CHECK(m::rle_iou(one, other, true) == (common == 0 ? 0.0 : static_cast<double>(common) / area));
    const m::Box box = area == 0 ? m::Box{}
                                 : m::Box{static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left),
                                          static_cast<double>(bottom - top)};
    CHECK(m::rle_box(one) == box);
  }
}

TEST_CASE("runs of length 0 are no pixels") {
  const m::Rle odd{4, 5, {3, 0, 2, 4, 0, 1, 10, 0}}, plain{4, 5, {5, 5, 10}};
  CHECK(m::rle_area(odd) == 5);
  CHECK(m::rle_box(odd) == m::rle_box(plain));
  CHECK(m::rle_iou(odd, plain, false) == 1);
  CHECK(m::rle_union(std::vector{odd, plain}) == plain);
}

TEST_CASE("masks of different sizes match nothing") {
  const m::Rle tall{10, 5, {0, 50}}, wide{5, 10, {0, 50}}, away{5, 10, {49, 1}}, small{2, 2, {0, 4}};
  CHECK(m::rle_iou(tall, wide, false) == -1);
  CHECK(m::rle_iou(away, small, false) == 0);
}

TEST_CASE("run lengths that are none are refused with the reason") {
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("Y11c01O1Z9", 20, 21); }), "sum to 400"));
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("Y11c01O1Zp", 20, 20); }), "character 9"));
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("Y11c01O1Zo", 20, 20); }), "break off"));
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("oooooooooo0", 20, 20); }), "32-bit"));
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("O5", 2, 2); }), "is -1"));
  CHECK(contains(error_of(Exit::bad_data, [] { from_text("", 2, 2); }), "sum to 0"));
  CHECK(contains(error_of(Exit::bad_data, [] { m::rle_of_polygon(std::vector{0., 0., 1e300, 0., 0., 1e300}, 4, 4); }), "corner"));
}

TEST_CASE("boxes: overlap by formula; without width or height they meet nothing") {
  CHECK(m::box_iou({0, 0, 2, 2}, {1, 1, 2, 2}, false) == doctest::Approx(1.0 / 7));
  CHECK(m::box_iou({0, 0, 2, 2}, {1, 1, 2, 2}, true) == 0.25);
  CHECK(m::box_iou({0, 0, 2, 2}, {2, 0, 2, 2}, false) == 0);
  CHECK(m::box_iou({1, 1, 0, 0}, {0, 0, 2, 2}, false) == 0);
  CHECK(m::box_iou({0, 0, 0, 5}, {0, 0, 0, 5}, false) == 0);
  CHECK(m::box_iou({3, 3, -2, -2}, {0, 0, 4, 4}, false) == 0);
}
