// What stands behind the numbers: bars, curves, galleries and masks of metrics manifests.
#include "core/digest.h"
#include "data/image.h"
#include "report/overlay.h"
#include "report/sections.h"
#include "unit/support.h"

#include <fmt/format.h>

using namespace selfsight;
using namespace selfsight::report;
using manifest::Json;

namespace {

const std::string hostile = "a<script>alert(1)</script>\"'&";

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}
bool has(const std::string& text, const std::string& what) { return count_of(text, what) > 0; }

Json metrics_with(const Json& breakdown, const std::string& subject = "ours") {
  return {{"manifest", "metrics"},
          {"version", 1},
          {"rows", {{{"name", "J"}, {"value", 0.5}, {"protocol", Json::object()}, {"subject", subject}}}},
          {"breakdowns", Json::array({breakdown})}};
}

Material material_of(const std::vector<Json>& manifests, const manifest::fs::path& folder) {
  std::vector<manifest::Document> documents;
  documents.reserve(manifests.size());
  for (const Json& json : manifests) documents.push_back({"metrics", json, folder, "scores.json"});
  return gather(documents);
}

std::string html_of(const Json& breakdown, const manifest::fs::path& folder = "/", const ReportOptions& options = {}) {
  Thumbnails thumbnails;
  const auto section = breakdowns_section(material_of({metrics_with(breakdown)}, folder), options, thumbnails);
  REQUIRE(section);
  return section->html;
}

data::Image flat(std::int64_t height, std::int64_t width, std::uint8_t value) {
  data::Image image(height, width, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), value);
  return image;
}

/// A mask with a square of `value` (all channels) in its upper left quarter.
data::Image square(std::int64_t side, std::uint8_t value) {
  data::Image image(side, side, 1);  // a label image: black but for a quarter
  for (std::int64_t y = 0; y < side / 2; ++y) std::fill_n(image.row(y), side / 2, value);
  return image;
}

std::array<int, 3> pixel(const data::Image& image, std::int64_t y, std::int64_t x) {
  const std::uint8_t* at = image.row(y) + 3 * x;
  return {at[0], at[1], at[2]};
}

Json items(const Json& columns, const std::vector<std::pair<std::string, Json>>& rows) {
  Json out = {{"kind", "items"}, {"title", "Sequences"}, {"item", "sequence"}, {"columns", columns}, {"rows", Json::array()}};
  for (const auto& [name, values] : rows) out["rows"].push_back({{"name", name}, {"values", values}});
  return out;
}

}  // namespace

TEST_CASE("items are bars, the largest first; what has no number has no bar") {
  const std::string html = html_of(
      items(Json::array({{{"name", "J"}, {"unit", "%"}}}), {{"low", {20}}, {"none", {nullptr}}, {hostile, {80.25}}, {"middle", {50}}}));
  const std::size_t high = html.find("a&lt;script&gt;"), middle = html.find(">middle<"), low = html.find(">low<");
  CHECK(high < middle);
  CHECK(middle < low);
  CHECK(low != std::string::npos);
  CHECK(count_of(html, "class=\"bar\"") == 3);
  CHECK(has(html, ">80.2<"));
  CHECK_FALSE(has(html, "<table>"));  // one column of few rows is all in its bars
  CHECK_FALSE(has(html, "<script>"));
}

TEST_CASE("bins of a scale keep their order") {
  Json bins = items(Json::array({{{"name", "queries"}}}), {{"0 to 10", {3}}, {"10 to 20", {9}}, {"20 to 30", {1}}});
  bins["ordered"] = true;
  const std::string html = html_of(bins);
  CHECK(html.find(">0 to 10<") < html.find(">10 to 20<"));
  CHECK(html.find(">10 to 20<") < html.find(">20 to 30<"));
  CHECK(html.find(">20 to 30<") != std::string::npos);
}

TEST_CASE("several columns get a table, many rows a folded one") {
  const Json two = {{{"name", "J"}}, {{"name", "F"}}},
             five = {{{"name", "a"}}, {{"name", "b"}}, {{"name", "c"}}, {{"name", "d"}}, {{"name", "e"}}};
  std::string html = html_of(items(two, {{"x", {1, 2}}, {"y", {3, nullptr}}, {"short", {2}}}));
  CHECK(count_of(html, "<figure") == 2);
  CHECK(count_of(html, "class=\"bar\"") == 4);
  CHECK(has(html, "in the order of J"));
  CHECK(has(html, "<details><summary>All 3 rows (sequence) as a table"));
  CHECK(count_of(html, ">–<") == 2);
  html = html_of(items(five, {{"x", {1, 2, 3, 4, 5}}}));
  CHECK(count_of(html, "<figure") == 1);
  CHECK(has(html, "<table>"));
  CHECK_FALSE(has(html, "<details>"));
  std::vector<std::pair<std::string, Json>> many;
  many.reserve(100);
  for (int i = 0; i < 100; ++i) many.emplace_back(fmt::format("row{:02}", i), Json{i, i});
  html = html_of(items(two, many));
  CHECK(count_of(html, "class=\"bar\"") == 60);
  CHECK(has(html, "the first 15 and the last 15"));
  CHECK(has(html, "All 100 rows (sequence) as a table"));
  CHECK(has(html.substr(html.find("<details>")), "row50"));
  CHECK(has(html_of(items(two, {})), "Nothing is listed."));
  CHECK(has(html_of(items(Json::array(), {{"x", Json::array()}})), "Nothing is listed."));
  CHECK(has(html_of(items(two, {{"x", {nullptr, nullptr}}})), "as a table"));
}

TEST_CASE("curves: gaps break the line, uneven lengths are cut, more than the palette is folded away") {
  const auto curves = [](const Json& series) {
    return Json{{"kind", "curves"}, {"title", "Precision and recall"}, {"x", "recall"}, {"y", "precision"}, {"series", series}};
  };
  std::string html = html_of(curves({{{"name", hostile}, {"x", {0, 0.5, 1}}, {"y", {1, nullptr, 0.5}}},
                                     {{"name", "rare"}, {"x", {0, 1, 2, 3}}, {"y", {0.25}}},
                                     {{"name", "empty"}, {"x", Json::array()}, {"y", Json::array()}}}));
  CHECK(has(html, "Precision and recall"));
  CHECK(has(html, "precision over recall"));
  CHECK(count_of(html, "class=\"curve ") == 2 * 2);  // and in the legend
  CHECK_FALSE(has(html, "<script>"));
  CHECK_FALSE(has(html, "nan"));
  Json many = Json::array();
  for (int i = 0; i < 23; ++i) many.push_back({{"name", fmt::format("s{}", i)}, {"x", {0, 1}}, {"y", {0, i}}});
  html = html_of(curves(many));
  CHECK(has(html, "13 more curves"));
  CHECK(count_of(html, "class=\"curve ") == 2 * 23);
  CHECK(has(html_of(curves({{{"name", "n"}, {"x", {1}}, {"y", {nullptr}}}})), "No curve has a point."));
  CHECK(has(html_of(curves(Json::array())), "No curve has a point."));
}

TEST_CASE("a gallery marks right and wrong by sign and class, and holds out where a picture is missing") {
  const test::Folder folder;
  core::write_atomically(folder / "a.png", data::encode_png(flat(200, 100, 90)));
  core::write_atomically(folder / "text.png", std::string_view("no picture"));
  const Json file = {{"path", "a.png"}, {"digest", core::digest_of_file(folder / "a.png")}};
  const auto answer = [](const std::string& name, bool right, const Json& image) {
    Json out = {{"name", name}, {"right", right}, {"score", 0.5}};
    if (!image.is_null()) out["image"] = image;
    return out;
  };
  const Json gallery = {{"kind", "gallery"},
                        {"title", "Ranked"},
                        {"queries",
                         {{{"query", {{"name", hostile}, {"image", file}}},
                           {"ranked",
                            {answer("one", true, file), answer("two", false, file), answer("gone", false, {{"path", "gone.png"}}),
                             answer("broken", true, {{"path", "text.png"}}),
                             answer("changed", true, {{"path", "a.png"}, {"digest", "sha256:0"}}), answer("none", false, nullptr)}}}}}};
  const std::string html = html_of(gallery, folder.path());
  CHECK(count_of(html, "<i>✓</i>") == 3);
  CHECK(count_of(html, "<i>✗</i>") == 3);
  CHECK(count_of(html, "class=\"pic right\"") == 3);
  CHECK(count_of(html, "class=\"pic wrong\"") == 3);
  CHECK(count_of(html, "src=\"data:image/jpeg;base64,") == 3);
  CHECK(count_of(html, "image missing") == 3);
  CHECK(count_of(html, ">no image<") == 1);
  CHECK(has(html, "score 0.5"));
  CHECK_FALSE(has(html, "<script>"));
  ReportOptions without;
  without.images = false;
  CHECK(has(html_of(gallery, "/nowhere", without), "--no-images was given"));
}

TEST_CASE("texts are shown as texts, alone or as the query for pictures; long galleries are folded and cut") {
  const test::Folder folder;
  core::write_atomically(folder / "a.png", data::encode_png(flat(8, 8, 90)));
  Json told = {{"kind", "gallery"}, {"title", "Sentences"}, {"queries", Json::array()}};
  for (int q = 0; q < 100; ++q)
    told["queries"].push_back({{"query", {{"name", fmt::format("q{}", q)}, {"text", fmt::format("question {} {}", q, hostile)}}},
                               {"ranked", {{{"name", "s1"}, {"text", "an answer"}, {"right", q % 2 == 0}, {"score", 0.25}}}}});
  std::string html = html_of(told);
  CHECK(count_of(html, "class=\"told\"") == 60);
  CHECK(has(html, "48 more queries"));
  CHECK(has(html, "The first 60 of 100 queries."));
  CHECK(count_of(html, "<li class=\"right\"") == 30);
  CHECK(has(html, "an answer <small>0.25</small>"));
  CHECK_FALSE(has(html, "<img"));
  CHECK_FALSE(has(html, "<script>"));
  ReportOptions without;
  without.images = false;
  CHECK(html_of(told, "/", without) == html);  // nothing there is an image
  told["queries"] = {{{"query", {{"name", "q"}, {"text", "a dog in snow"}}},
                      {"ranked", {{{"name", "v1"}, {"text", "caption"}, {"image", {{"path", "a.png"}}}, {"right", true}}}}}};
  html = html_of(told, folder.path());
  CHECK(has(html, "said\">a dog in snow<"));
  CHECK(has(html, "data:image/png;base64,"));
  told["queries"] = Json::array();
  CHECK(has(html_of(told), "There is no query."));
}

TEST_CASE("a mask's values become numbers without gaps, 0 is none") {
  data::Image image = square(8, 200);
  std::fill_n(image.row(7), 1, 50);
  const LabelMap map = label_map_of(data::encode_png(image), "mask.png");
  CHECK(map.height == 8);
  CHECK(map.labels[0] == 2);
  CHECK(map.labels[56] == 1);
  CHECK(map.labels[63] == 0);
  test::error_of(core::Exit::bad_data, [] { label_map_of({}, "mask.png"); });
}

TEST_CASE("an overlay fills the prediction and outlines the truth, at the size of the image") {
  const LabelMap mask = label_map_of(data::encode_png(square(8, 255)), "mask.png");
  const data::Image photo = flat(40, 40, 100);
  const data::Image filled = overlay(photo, mask, {}, 40), lined = overlay(photo, {}, mask, 40), both = overlay(photo, mask, mask, 40);
  CHECK(filled.height == 40);
  CHECK(pixel(filled, 5, 5) != pixel(photo, 5, 5));
  CHECK(pixel(filled, 25, 5) == pixel(photo, 25, 5));
  CHECK(pixel(lined, 5, 5) == pixel(photo, 5, 5));
  CHECK(pixel(lined, 19, 5) == std::array{255, 255, 255});  // inside, along the border at 20
  CHECK(pixel(lined, 5, 19) == std::array{255, 255, 255});
  CHECK(pixel(lined, 20, 5)[0] < 60);               // outside
  CHECK(pixel(lined, 0, 5) == pixel(photo, 0, 5));  // the image's own edge is no border
  CHECK(pixel(both, 5, 5) == pixel(filled, 5, 5));
  CHECK(pixel(both, 19, 5) == pixel(lined, 19, 5));
  CHECK(overlay(flat(400, 200, 0), mask, {}, 100).width == 50);
  CHECK(overlay({}, mask, mask, 40).height == 8);
  CHECK(pixel(overlay({}, mask, {}, 40), 7, 7) == std::array{128, 128, 128});
  CHECK(overlay({}, {}, {}, 40).empty());
  data::Image grey(8, 8, 1);
  CHECK(overlay(grey, mask, {}, 40).channels == 3);
}

TEST_CASE("overlays: value and unit in the caption, a note for each file that is not there") {
  const test::Folder folder;
  core::write_atomically(folder / "photo.png", data::encode_png(flat(100, 200, 90)));
  core::write_atomically(folder / "mask.png", data::encode_png(square(100, 255)));
  const auto file = [](const std::string& name) { return Json{{"path", name}}; };
  Json frames = {{{"name", hostile},
                  {"image", file("photo.png")},
                  {"truth", file("mask.png")},
                  {"prediction", file("mask.png")},
                  {"value", 87.34},
                  {"unit", "%"}},
                 {{"name", "two"}, {"image", file("gone.png")}, {"prediction", file("mask.png")}, {"value", nullptr}},
                 {{"name", "three"}, {"prediction", file("gone.png")}}};
  const auto overlays = [&] { return Json{{"kind", "overlays"}, {"title", "Masks"}, {"frames", frames}}; };
  std::string html = html_of(overlays(), folder.path());
  CHECK(has(html, "<small>87.3 %</small>"));
  CHECK(count_of(html, "src=\"data:image/jpeg;base64,") == 2);
  CHECK(has(html, "The prediction is 100 x 100 pixels, the image 200 x 100: stretched to fit."));
  CHECK(count_of(html, "gone.png: the ") == 2);
  CHECK(has(html, "White line"));
  CHECK(count_of(html, "</b>index 255</span>") == 2);  // a legend where there is a mask
  CHECK_FALSE(has(html, "<script>"));
  ReportOptions without;
  without.images = false;
  CHECK(has(html_of(overlays(), folder.path(), without), "--no-images was given"));
  frames = Json::array();
  CHECK(has(html_of(overlays(), folder.path()), "There is no frame."));
}

TEST_CASE("overlays say which colour is which class or object, as far as there is room") {
  const test::Folder folder;
  data::Image image = square(8, 2);
  image.row(7)[0] = 1;
  core::write_atomically(folder / "mask.png", data::encode_png(image));
  const Json frame = {{"name", "one"}, {"prediction", {{"path", "mask.png"}}}};
  Json breakdown = {{"kind", "overlays"}, {"title", "Masks"}, {"frames", Json::array({frame})}, {"item", "object"}};
  CHECK(has(html_of(breakdown, folder.path()), fill_colour(1) + "\"></b>object 1</span>"));
  breakdown["labels"] = Json::array({"sky", "road"});  // one is missing
  const std::string html = html_of(breakdown, folder.path());
  CHECK(has(html, "</b>road</span>"));
  CHECK(has(html, fill_colour(2) + "\"></b>object 2</span>"));
  image = data::Image(8, 8, 1);
  for (std::uint8_t i = 0; i < 40; ++i) image.row(i / 8)[i % 8] = i;
  core::write_atomically(folder / "mask.png", data::encode_png(image));
  CHECK(has(html_of(breakdown, folder.path()), "<span>and 23 more</span>"));
}

TEST_CASE("the page has the section where there are breakdowns, says whose they are, and hands them on") {
  const Json column = Json::array({{{"name", "J"}}});
  const Json one = metrics_with(items(column, {{"x", {1}}}), "first"), two = metrics_with(items(column, {{"x", {2}}}), "second");
  Json none = one;
  none.erase("breakdowns");
  Thumbnails thumbnails;
  CHECK_FALSE(breakdowns_section(material_of({none}, "/"), {}, thumbnails));
  const Material single = material_of({one}, "/"), both = material_of({one, two}, "/");
  std::string html = make_page(single, {});
  CHECK(has(html, "<section id=\"breakdowns\">"));
  CHECK(has(html, "<h3>Sequences</h3>"));
  CHECK_FALSE(has(html, "No features were given"));  // scores alone: there is nothing to train or map
  CHECK(has(make_page(material_of({none}, "/"), {}), "No features were given"));
  html = make_page(both, {});
  CHECK(has(html, "Sequences · first"));
  CHECK(has(html, "Sequences · second"));
  CHECK(html == make_page(both, {}));
  CHECK(passed_on(both, {"/page.html", "sha256:0"}, "/", {{"ssl-report"}, 1.0, false}).at("breakdowns").size() == 2);
}
