// The scanner reads what JSON allows, and refuses what it does not, like a parser with a tree does.
#include "score/json_scan.h"

#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <random>

using selfsight::core::Exit;
using selfsight::score::JsonScan;
using selfsight::test::contains;
using selfsight::test::error_of;

namespace {

bool accepts(const std::string& text) {
  try {
    JsonScan scan(text, 0, "text");
    scan.skip();
    scan.end();
    return true;
  } catch (const selfsight::core::Error&) {
    return false;
  }
}

double number(const std::string& text) { return JsonScan(text, 0, "text").number(); }

}  // namespace

TEST_CASE("what is accepted is what nlohmann::json accepts, over documents with random damage") {
  std::mt19937 random(3);
  const std::string seeds[] = {
      R"([{"image_id": 42, "score": 1.5e-3, "bbox": [0, -1.5, 2E+2, 3.0]}, {"a": "\u00e9\\\"\n", "b": [true, false, null]}])",
      R"({"a": {"b": [[], {}, [1, 2, [3]]]}, "": "", "x\ty": -0})", "  [ 1 ,\n 2\t,\r3 ]  ", R"(["\ud83d\ude00", 0.0, 1e5, 10])"};
  const std::string alphabet = "[]{},:\"\\ \n0123456789.eE+-truefalsn\x01u/";
  int accepted = 0;
  for (int round = 0; round < 40000; ++round) {
    std::string text = seeds[random() % 4];
    for (std::size_t i = random() % 4; i > 0; --i) {
      const std::size_t at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, 1);
      else if (random() % 2 == 0)
        text[at] = alphabet[random() % alphabet.size()];
      else
        text.insert(at, 1, alphabet[random() % alphabet.size()]);
      if (text.empty()) text = " ";
    }
    if (text.find("\\ud") != std::string::npos || text.find("\\uD") != std::string::npos) continue;  // half pairs are let through here
    const bool expected = nlohmann::json::accept(text);
    accepted += expected ? 1 : 0;
    CHECK_MESSAGE(accepts(text) == expected, text);
  }
  CHECK(accepted > 5000);
}

TEST_CASE("numbers are those of strtod, to the last bit") {
  std::mt19937_64 random(4);
  for (int round = 0; round < 100000; ++round) {
    std::string text = random() % 2 == 0 ? "-" : "";
    text += std::to_string(random() >> (random() % 64));
    if (random() % 2 == 0) text += "." + std::to_string(random() >> (random() % 64));
    if (random() % 4 == 0) text += (random() % 2 == 0 ? "e-" : "E") + std::to_string(random() % 280);
    REQUIRE_MESSAGE(number(text) == std::strtod(text.c_str(), nullptr), text);
  }
  CHECK(number("0.1") == 0.1);
  CHECK(number("0.000000000000000000000000000000000000001") == 1e-39);
  CHECK(number("123456789012345678901234567890") == 123456789012345678901234567890.0);
  CHECK(number("1e-400") == 0);
  CHECK(std::signbit(number("-0.0")));
  for (const char* bad :
       {"1e999", "-1e999", "NaN", "Infinity", "-Infinity", "+1", ".5", "1.", "01", "1e", "--1", "\"1\"", "true", "null", ""})
    CHECK_MESSAGE(!error_of(Exit::bad_data, [&] { number(bad); }).empty(), bad);
}

TEST_CASE("whole numbers may be written in any way") {
  const auto integer = [](const std::string& text) { return JsonScan(text, 0, "text").integer(); };
  CHECK(integer("42") == 42);
  CHECK(integer("-7,") == -7);
  CHECK(integer("42.0") == 42);
  CHECK(integer("4.2e1") == 42);
  CHECK(integer("9007199254740993") == 9007199254740993);
  CHECK(contains(error_of(Exit::bad_data, [&] { integer("1.5"); }), "whole number, found the number 1.5"));
  CHECK(contains(error_of(Exit::bad_data, [&] { integer("\"1\""); }), "found a string"));
  CHECK(!error_of(Exit::bad_data, [&] { integer("007"); }).empty());
}

TEST_CASE("strings lose their escapes, keys too") {
  const std::string text = R"({"b\u0062ox": "\"\\\/\b\f\n\r\t\u00e9\u20ac\ud83d\ude00\ud83dx", "é": 1})";
  JsonScan scan(text, 0, "text");
  scan.begin_object();
  bool first = true;
  std::string_view key;
  REQUIRE(scan.next_member(first, key));
  CHECK(key == "bbox");
  CHECK(scan.string() == "\"\\/\b\f\n\r\té€😀\xef\xbf\xbdx");
  REQUIRE(scan.next_member(first, key));
  CHECK(key == "é");
  CHECK(scan.integer() == 1);
  CHECK(!scan.next_member(first, key));
  scan.end();
}

TEST_CASE("faults name file, pointer, what was expected and the byte") {
  const std::string text = "[1, 2, x]";
  JsonScan scan(text, 0, "some.json");
  scan.place = {"annotations", 12, "bbox"};
  scan.begin_array();
  bool first = true;
  const std::string message = error_of(Exit::bad_data, [&] {
    while (scan.next_element(first)) scan.number();
  });
  CHECK(message == "some.json: /annotations/12/bbox: expected a number, found x (byte 7)");
  std::string deep(100000, '[');
  CHECK(contains(error_of(Exit::bad_data, [&] { JsonScan(deep, 0, "deep").skip(); }), "deeper"));
}

TEST_CASE("a file that is a pipe, a folder, empty or absent is refused") {
  const selfsight::test::Folder folder;
  using selfsight::score::PagedText;
  error_of(Exit::no_input, [&] { PagedText(folder / "absent"); });
  error_of(Exit::no_input, [&] { const PagedText text(folder.path()); });
  selfsight::test::write_plainly(folder / "empty", "");
  CHECK(contains(error_of(Exit::bad_data, [&] { PagedText(folder / "empty"); }), "is empty"));
  CHECK(contains(error_of(Exit::bad_data, [&] { PagedText("/dev/null"); }), "no regular file"));
}
