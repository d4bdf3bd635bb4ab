// Figures against the official programs' own, against a plain reference by the thousand, and the rules that a rewrite misses one by one.
#include "score/detect.h"

#include "core/log.h"
#include "manifest/manifest.h"
#include "unit/score/detect_reference.h"
#include "unit/support.h"

#include <cmath>
#include <fstream>
#include <random>

namespace selfsight::test {

namespace {

using core::Exit;
using score::DetectOptions;

const bool quiet = (core::set_log_level(core::Level::error), true);  // thousands of runs would say what they read

using Items = std::vector<Json>;  // where a list in braces must not be taken for its only element

struct Run {
  std::map<std::string, double> figures;  ///< NaN where there is no ground truth
  manifest::Metrics metrics;
};

/// Scores what lies in two texts.
Run run_texts(const std::string& truth, const std::string& results, DetectOptions options, int threads = 1) {
  const Folder folder;
  write_plainly(folder / "truth.json", truth);
  write_plainly(folder / "results.json", results);
  options.ground_truth = folder / "truth.json";
  Run out;
  out.metrics = score::score_detections(options, folder / "results.json", threads);
  for (const auto& row : out.metrics.rows) out.figures[row.name] = row.value;
  return out;
}

DetectOptions options_of(const std::string& protocol, const std::string& type) {
  DetectOptions out;
  out.protocol = protocol;
  out.type = type;
  return out;
}

Run run(const Json& truth, const Items& results, const std::string& protocol, const std::string& type = "box", int threads = 1) {
  return run_texts(truth.dump(), Json(results).dump(), options_of(protocol, type), threads);
}

bool same_figure(double a, double b) { return std::isnan(a) ? std::isnan(b) : std::abs(a - b) <= 1e-12; }

/// One image of 100 x 100, category 1, LVIS fields.
Json simple_truth(const Items& annotations) {
  return {
      {"images",
       {{{"id", 1}, {"height", 100}, {"width", 100}, {"neg_category_ids", Json::array()}, {"not_exhaustive_category_ids", Json::array()}}}},
      {"categories", {{{"id", 1}, {"name", "cup"}, {"frequency", "r"}}, {{"id", 2}, {"name", "hat"}, {"frequency", "f"}}}},
      {"annotations", annotations}};
}
Json annotation(int id, const Json& box, int category = 1) {
  return {{"id", id},    {"image_id", 1}, {"category_id", category}, {"bbox", box}, {"area", box[2].get<double>() * box[3].get<double>()},
          {"iscrowd", 0}};
}
Json result(const Json& box, double score, int category = 1) {
  return {{"image_id", 1}, {"category_id", category}, {"bbox", box}, {"score", score}};
}

std::vector<int> random_runs(std::mt19937& random, int pixels) {
  std::vector<int> out;
  int left = pixels;
  while (left > 0) {
    const int run = std::min<int>(left, static_cast<int>(random() % 12) + (out.empty() ? 0 : 1));
    out.push_back(run);
    left -= run;
  }
  return out;
}

/// Small problems with all that the issue calls hostile: no results, no ground truth, equal scores, boxes without area or outside of the
/// image, unknown categories, crowds only, ids of 0.
std::pair<Json, Json> random_case(std::mt19937& random, bool lvis, bool mask) {
  const auto pick = [&](std::size_t n) { return static_cast<int>(random() % n); };
  const int side = mask ? 9 : 120;
  Json truth{{"images", Json::array()}, {"annotations", Json::array()}, {"categories", Json::array()}}, results = Json::array();
  const int categories = 1 + pick(3), images = 1 + pick(3);
  const char* frequencies[] = {"r", "c", "f"};
  for (int c = 0; c < categories; ++c) truth["categories"].push_back({{"id", 10 - c}, {"name", "c"}, {"frequency", frequencies[pick(3)]}});
  const bool empty_truth = pick(12) == 0, empty_results = pick(12) == 0, crowd_only = pick(12) == 0;
  const bool with_box = !mask || pick(2) == 0;
  int id = pick(2);
  for (int i = 0; i < images; ++i) {
    Json image{{"id", 100 - i}, {"height", side}, {"width", side}};
    if (lvis) {
      Json absent = Json::array(), incomplete = Json::array();
      for (int c = 0; c < categories; ++c) {
        if (pick(3) == 0) absent.push_back(10 - c);
        if (pick(4) == 0) incomplete.push_back(10 - c);
      }
      image["neg_category_ids"] = absent;
      image["not_exhaustive_category_ids"] = incomplete;
    }
    truth["images"].push_back(image);
    const auto box = [&] {
      Json out{pick(static_cast<std::size_t>(side)) - side / 8, pick(static_cast<std::size_t>(side)) - side / 8,
               1 + pick(static_cast<std::size_t>(side)), 1 + pick(static_cast<std::size_t>(side))};
      if (pick(10) == 0) out[pick(2) == 0 ? 2 : 3] = 0;
      return out;
    };
    for (int n = empty_truth ? 0 : pick(5); n > 0; --n) {
      const Json where = box();
      const int category = pick(15) == 0 ? 55 : 10 - pick(static_cast<std::size_t>(categories));
      Json one{{"id", id++},
               {"image_id", 100 - i},
               {"category_id", category},
               {"bbox", where},
               {"iscrowd", crowd_only || pick(6) == 0 ? 1 : 0},
               {"area", where[2].get<double>() * where[3].get<double>() * (mask ? 20 : 1)}};
      if (pick(8) == 0) one["ignore"] = pick(2);
      const auto runs = random_runs(random, side * side);
      if (mask) one["segmentation"] = {{"size", {side, side}}, {"counts", runs}};
      truth["annotations"].push_back(one);
      for (int k = empty_results ? 0 : pick(4); k > 0; --k) {
        Json near = pick(3) == 0 ? box() : where;
        near[0] = near[0].get<double>() + pick(3) * 0.5;
        Json found{{"image_id", 100 - i}, {"category_id", pick(6) == 0 ? 66 - pick(60) : category}, {"score", pick(4) * 0.25}};
        if (with_box) found["bbox"] = near;
        if (mask) {
          auto moved = pick(3) == 0 ? random_runs(random, side * side) : runs;
          if (moved.size() > 2 && moved[1] > 1) ++moved[0], --moved[1];
          found["segmentation"] = {{"size", {side, side}}, {"counts", moved}};
        }
        results.push_back(found);
      }
    }
  }
  return {truth, results};
}

}  // namespace

TEST_CASE("the official programs' figures, to the last bit") {
  const auto cases = Json::parse(std::ifstream(SELFSIGHT_TEST_DATA "/parity/score/detect.json"));
  REQUIRE(cases.size() >= 37);
  int figures = 0, between = 0;
  for (const auto& one : cases) {
    const Run mine = run(one.at("ground_truth"), one.at("results"), one.at("protocol"), one.at("type"));
    REQUIRE(mine.figures.size() == one.at("figures").size());
    for (const auto& [name, value] : one.at("figures").items()) {
      REQUIRE(mine.figures.count(name) == 1);
      const double expected = value.get<double>() == -1 ? std::nan("") : value.get<double>();
      const double got = mine.figures.at(name);
      const std::string what = name + " of " + one.at("protocol").dump() + " " + one.at("type").dump();
      CHECK_MESSAGE((std::isnan(expected) ? std::isnan(got) : got == expected), what);
      ++figures;
      between += expected > 0 && expected < 0.99 ? 1 : 0;
    }
  }
  CHECK(between > figures / 3);  // not all of them are trivial
}

TEST_CASE("thousands of small hostile problems, against a plain reference") {
  std::mt19937 random(11);
  int between = 0;
  for (int round = 0; round < 4000; ++round) {
    const bool lvis = random() % 2 == 0, mask = random() % 3 == 0;
    const auto [truth, results] = random_case(random, lvis, mask);
    const auto expected = reference_figures(truth, results, lvis, mask);
    const Run mine = run(truth, results, lvis ? "lvis" : "coco", mask ? "mask" : "box");
    REQUIRE(mine.figures.size() == expected.size());
    for (const auto& [name, value] : expected) {
      REQUIRE(mine.figures.count(name) == 1);
      if (!same_figure(mine.figures.at(name), value)) {
        MESSAGE(truth.dump() << "\n" << results.dump());
        REQUIRE(mine.figures.at(name) == value);
      }
      between += value > 0 && value < 0.99 ? 1 : 0;
    }
  }
  CHECK(between > 5000);
}

TEST_CASE("any number of threads, the same bytes") {
  std::mt19937 random(12);
  Json truth, results = Json::array();
  for (int part = 0; part < 60; ++part) {
    auto [more, found] = random_case(random, true, false);
    const int shift = 1000 * part;
    for (auto* list : {&more["images"], &more["annotations"]})
      for (auto& one : *list) one["id"] = one["id"].get<int>() + shift;
    for (auto& one : more["annotations"]) one["image_id"] = one["image_id"].get<int>() + shift;
    for (auto& one : found) one["image_id"] = one["image_id"].get<int>() + shift;
    if (part == 0) {
      truth = more;
      truth["categories"] = Json::array();
      for (int c = 8; c <= 10; ++c) truth["categories"].push_back({{"id", c}, {"name", "c"}, {"frequency", "c"}});
    } else {
      for (const char* list : {"images", "annotations"}) truth[list].insert(truth[list].end(), more[list].begin(), more[list].end());
    }
    results.insert(results.end(), found.begin(), found.end());
  }
  const auto text = [&](int threads) {
    Run one = run(truth, results, "lvis", "box", threads);
    one.metrics.inputs.clear();  // names of temporary folders
    return manifest::to_json(one.metrics, "").dump();
  };
  const std::string single = text(1);
  for (const int threads : {2, 3, 8}) CHECK(text(threads) == single);
}

TEST_CASE("a category that is never predicted has AP 0, one without ground truth takes no part") {
  const Json truth = simple_truth({annotation(1, {10, 10, 40, 40}, 1)});
  CHECK(run(truth, {result({10, 10, 40, 40}, 0.5, 2)}, "coco").figures.at("AP") == 0);
  Run mine = run(truth, {result({10, 10, 40, 40}, 0.5, 1)}, "lvis");
  CHECK(mine.figures.at("AP") == doctest::Approx(1));
  CHECK(mine.figures.at("APr") == doctest::Approx(1));
  CHECK(std::isnan(mine.figures.at("APf")));
  for (const auto& row : mine.metrics.rows)
    if (row.name == "APf") CHECK(contains(row.protocol.at("reason"), "no ground truth"));
}

TEST_CASE("a perfect AP is 0.9999999999999998 officially; ground truth with id 0 is never matched; both are corrected on demand") {
  const Items found = {result({10, 10, 40, 40}, 0.5)};
  DetectOptions options = options_of("coco", "box");
  options.corrected = true;
  const Run one = run_texts(simple_truth({annotation(1, {10, 10, 40, 40})}).dump(), Json(found).dump(), options);
  CHECK(one.figures.at("AP") == 0.9999999999999998);
  CHECK(one.figures.at("AP (corrected)") == 1);
  const Run zero = run_texts(simple_truth({annotation(0, {10, 10, 40, 40})}).dump(), Json(found).dump(), options);
  CHECK(zero.figures.at("AP") == 0);
  CHECK(zero.figures.at("AP (corrected)") == 1);
  CHECK(zero.figures.at("AR@1") == 0);
  CHECK(zero.figures.at("AR@1 (corrected)") == 1);
}

TEST_CASE("where the first result has a bbox, areas of masks come from it; corrected they do not") {
  // Two results of the same small mask, the wrong one first; its box is large, so that officially it is outside of "small" and ignored.
  Json truth = simple_truth({annotation(1, {0, 0, 10, 10})});
  const Json right{{"size", {100, 100}}, {"counts", {0, 10, 90, 10, 90, 10, 90, 10, 90, 10, 90, 10, 90, 10, 90, 10, 90, 10, 90, 10, 9090}}};
  const Json wrong{{"size", {100, 100}}, {"counts", {5050, 50, 4900}}};
  truth["annotations"][0]["segmentation"] = right;
  Json results{result({0, 0, 90, 90}, 0.9), result({0, 0, 10, 10}, 0.8)};
  results[0]["segmentation"] = wrong;
  results[1]["segmentation"] = right;
  DetectOptions options = options_of("coco", "mask");
  options.corrected = true;
  const Run mine = run_texts(truth.dump(), results.dump(), options);
  CHECK(mine.figures.at("APs") == doctest::Approx(1));
  CHECK(mine.figures.at("APs (corrected)") == doctest::Approx(0.5));
  CHECK(mine.figures.at("AP") == doctest::Approx(0.5));
}

TEST_CASE("LVIS leaves out what has no area, COCO keeps it") {
  const Json truth = simple_truth({annotation(1, {10, 10, 40, 40}), annotation(2, {70, 70, 0, 5})});
  const Items found = {result({80, 80, 0, 5}, 0.9), result({10, 10, 40, 40}, 0.5)};
  CHECK(run(truth, found, "lvis").figures.at("AP50") == doctest::Approx(1));
  // One of two is found, behind a wrong one: precision 1/2 up to recall 1/2.
  CHECK(run(truth, found, "coco").figures.at("AP50") == doctest::Approx(51 * 0.5 / 101));
}

TEST_CASE("LVIS keeps 300 results of an image over all categories, unknown ones too; COCO 100 of each category") {
  const Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  Items results = {result({10, 10, 40, 40}, 0.1)};
  for (int i = 0; i < 299; ++i) results.push_back(result({60, 60, 5, 5}, 0.5, i % 2 == 0 ? 2 : 77));
  CHECK(run(truth, results, "lvis").figures.at("AP") == doctest::Approx(1));
  results.push_back(result({60, 60, 5, 5}, 0.5, 77));
  CHECK(run(truth, results, "lvis").figures.at("AP") == 0);
  CHECK(run(truth, results, "coco").figures.at("AP") == doctest::Approx(1));
  // Among equals the earlier ones in the file stay.
  for (auto& one : results) one["score"] = 0.5;
  CHECK(run(truth, results, "lvis").figures.at("AP") == doctest::Approx(1));

  Items many;
  for (int i = 0; i < 100; ++i) many.push_back(result({60, 60, 5, 5}, 0.5));
  many.push_back(result({10, 10, 40, 40}, 0.4));
  CHECK(run(truth, many, "coco").figures.at("AR@100") == 0);
  many.erase(many.begin());
  const Run mine = run(truth, many, "coco");
  CHECK(mine.figures.at("AR@100") == 1);
  CHECK(mine.figures.at("AR@10") == 0);
}

TEST_CASE("equal scores: by image id, then by place in the file") {
  Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  truth["images"].push_back(truth["images"][0]);
  truth["images"][1]["id"] = 0;  // comes before image 1, though later in the file
  Json other = result({60, 60, 5, 5}, 0.5);
  const Json hit = result({10, 10, 40, 40}, 0.5);
  CHECK(run(truth, {hit, other}, "coco").figures.at("AP") == doctest::Approx(1));
  CHECK(run(truth, {other, hit}, "coco").figures.at("AP") == doctest::Approx(0.5));
  other["image_id"] = 0;
  CHECK(run(truth, {hit, other}, "coco").figures.at("AP") == doctest::Approx(0.5));
}

TEST_CASE("LVIS: federated") {
  Json truth = simple_truth({annotation(1, {10, 10, 40, 40}, 1)});
  truth["images"].push_back(truth["images"][0]);
  truth["images"][1]["id"] = 2;
  Json elsewhere = result({10, 10, 40, 40}, 0.9, 1);
  elsewhere["image_id"] = 2;
  const Items results = {elsewhere, result({10, 10, 40, 40}, 0.5, 1)};
  CHECK(run(truth, results, "lvis").figures.at("AP") == doctest::Approx(1));  // image 2 was not searched for the category
  truth["images"][1]["neg_category_ids"] = Json::array({1});
  CHECK(run(truth, results, "lvis").figures.at("AP") == doctest::Approx(0.5));  // it was, and has none
  truth["images"][1]["not_exhaustive_category_ids"] = Json::array({1});
  CHECK(run(truth, results, "lvis").figures.at("AP") == doctest::Approx(1));  // there may be more than is annotated
  CHECK(run(truth, results, "coco").figures.at("AP") == doctest::Approx(0.5));
}

TEST_CASE("COCO: crowds take any number of detections, count for nothing, and 'ignore' is not read; LVIS reads it and knows no crowds") {
  Json crowd = annotation(2, {50, 50, 40, 40});
  crowd["iscrowd"] = 1;
  const Json truth = simple_truth({annotation(1, {10, 10, 30, 30}), crowd});
  const Items results = {result({50, 50, 10, 10}, 0.9), result({60, 60, 10, 10}, 0.8), result({10, 10, 30, 30}, 0.5)};
  CHECK(run(truth, results, "coco").figures.at("AP") == doctest::Approx(1));
  CHECK(run(truth, results, "lvis").figures.at("AP") < 0.5);
  const Run alone = run(simple_truth({crowd}), results, "coco");
  for (const auto& figure : alone.figures) CHECK_MESSAGE(std::isnan(figure.second), figure.first);
  Json ignored = annotation(1, {10, 10, 30, 30});
  ignored["ignore"] = 1;
  CHECK(std::isnan(run(simple_truth({ignored}), results, "lvis").figures.at("AP")));
  CHECK(!std::isnan(run(simple_truth({ignored}), results, "coco").figures.at("AP")));
}

TEST_CASE("no results are AP 0, no ground truth is null") {
  const Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  for (const char* protocol : {"lvis", "coco"}) {
    CHECK(run(truth, Json::array(), protocol).figures.at("AP") == 0);
    for (const auto& figure : run(simple_truth({}), {result({1, 1, 5, 5}, 1)}, protocol).figures)
      CHECK_MESSAGE(std::isnan(figure.second), figure.first);
  }
  const Json bare{{"images", Json::array()}, {"annotations", Json::array()}, {"categories", Json::array()}};
  CHECK(std::isnan(run(bare, Json::array(), "auto").figures.at("AP")));
}

TEST_CASE("images and categories that come twice: the last ones hold, as in the official programs") {
  Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  truth["images"].insert(truth["images"].begin(), truth["images"][0]);
  truth["images"][0]["not_exhaustive_category_ids"] = Json::array({1});
  truth["categories"].insert(truth["categories"].begin(), truth["categories"][0]);
  truth["categories"][0]["frequency"] = "c";
  const Run mine = run(truth, {result({60, 60, 5, 5}, 0.9), result({10, 10, 40, 40}, 0.5)}, "lvis");
  CHECK(mine.figures.at("APr") == doctest::Approx(0.5));
  CHECK(std::isnan(mine.figures.at("APc")));
}

TEST_CASE("the protocol is told from the ground truth") {
  Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  const Items results = {result({10, 10, 40, 40}, 0.5)};
  CHECK(run(truth, results, "auto").figures.count("APr") == 1);
  truth["images"][0].erase("neg_category_ids");
  CHECK(run(truth, results, "auto").figures.count("AR@10") == 1);
}

TEST_CASE("JSON as others write it: order, white space, escapes, further fields, numbers of any form, fields twice, JSON Lines") {
  const std::string truth =
      "\n{\"annotations\" :\t[ {\"segmentation\": [[10,10,10,50,50,50.0,50,1e1]], \"bbox\":[1e1, 10.0, 4.0E1,40],\"area\":1600,"
      "\"iscrowd\":false,\"extra\":{\"deep\":[[[{}]],\"\\u005d\"]},\"category_id\":1.0,\"image_id\":1e0,\"id\":3}],\r\n\"info\":{\"a\\\"]"
      "\":null},"
      "\"categories\":[{\"name\":\"\\u00e9\\\\\",\"id\":9},{\"id\":1,\"name\":\"cup\"}], "
      "\"images\":[{\"id\":7,\"id\":1,\"width\":100,\"height\":100}] } ";
  const std::string one =
      "{\"score\" : 5e-1 ,\"b\\u0062ox\":[10,10,40,40],\"note\":\"}]\\\\\",\"image_id\":1,\"category_id\":5,\"category_id\":1}";
  for (const std::string& results : {fmt::format("[{}]", one), fmt::format(" \n[\n{}\n]\n", one), one, fmt::format("{0}\n{0}\n", one)})
    for (const char* type : {"box", "mask"}) {
      const Run mine = run_texts(truth, results, options_of("auto", type));
      CHECK(mine.figures.at("AP") == doctest::Approx(1));
      CHECK(mine.metrics.breakdowns.at(0).at("rows").at(0).at("name") == "cup");
    }
}

TEST_CASE("what cannot be scored is refused, with file and place") {
  const Json truth = simple_truth({annotation(1, {10, 10, 40, 40})});
  const Json good = result({10, 10, 40, 40}, 0.5);
  const auto refused = [&](const std::string& truth_text, const std::string& results, const std::string& type = "box",
                           const std::string& protocol = "auto", Exit exit = Exit::bad_data) {
    return error_of(exit, [&] { run_texts(truth_text, results, options_of(protocol, type)); });
  };
  const auto bad_result = [&](const char* field, const Json& value) {
    Json wrong = good;
    if (value.is_discarded())
      wrong.erase(field);
    else
      wrong[field] = value;
    return refused(truth.dump(), Json::array({good, wrong}).dump());
  };
  const Json gone(Json::value_t::discarded);
  for (const char* field : {"image_id", "category_id", "score"})
    CHECK(contains(bad_result(field, gone), std::string("results.json: /1: no '") + field));
  CHECK(contains(bad_result("bbox", gone), "results.json: /1: no 'bbox'"));
  CHECK(contains(bad_result("image_id", 5), "results.json: /1/image_id: 5 is no image of the ground truth"));
  CHECK(contains(bad_result("score", "high"), "/1/score: expected a number, found a string"));
  CHECK(contains(bad_result("score", nullptr), "/1/score: expected a number, found null"));
  CHECK(contains(bad_result("bbox", {1, 2, 3}), "/1/bbox: a box of 3 numbers"));
  CHECK(contains(bad_result("bbox", {1, 2, 3, 4, 5}), "/1/bbox: a box of more"));
  const std::string nan = R"([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "score": NaN}])";
  CHECK(contains(refused(truth.dump(), nan), "/0/score: expected a number, found NaN"));
  CHECK(contains(refused(truth.dump(), R"([{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 1e999}])"), "/0/score"));
  CHECK(contains(refused(truth.dump(), "[" + good.dump() + ","), "results.json"));
  CHECK(contains(refused(truth.dump(), "[" + good.dump() + "] x"), "end of the file"));
  CHECK(contains(refused(truth.dump(), "[" + good.dump() + ",]"), "behind ','"));
  CHECK(contains(refused(truth.dump(), "7"), "expected a list of results"));
  CHECK(contains(refused(truth.dump(), R"([{"image_id": 1, "category_id": 1, "score": 1}])"), "/0: neither bbox nor segmentation"));

  const auto bad_truth = [&](const Json::json_pointer& where, const Json& value, const std::string& type = "box",
                             const std::string& protocol = "auto") {
    Json wrong = truth;
    if (value.is_discarded())
      wrong[where.parent_pointer()].erase(where.back());
    else
      wrong[where] = value;
    return refused(wrong.dump(), Json::array({good}).dump(), type, protocol);
  };
  using Pointer = Json::json_pointer;
  for (const char* field : {"id", "image_id", "category_id", "area", "bbox"})
    CHECK(contains(bad_truth(Pointer(std::string("/annotations/0/") + field), gone),
                   std::string("truth.json: /annotations/0: no '") + field));
  CHECK(contains(bad_truth(Pointer("/annotations/0/iscrowd"), 2), "/annotations/0/iscrowd: expected 0 or 1"));
  CHECK(contains(bad_truth(Pointer("/annotations/0/area"), "x"), "/annotations/0/area: expected a number, found a string"));
  CHECK(contains(bad_truth(Pointer("/images/0/id"), gone), "/images/0: no 'id'"));
  for (const char* side : {"height", "width"}) {
    CHECK(contains(bad_truth(Pointer(std::string("/images/0/") + side), gone, "mask"), std::string("/images/0: no '") + side));
    CHECK(contains(bad_truth(Pointer(std::string("/images/0/") + side), -1), std::string("/images/0/") + side));
  }
  CHECK(contains(bad_truth(Pointer("/images/0/not_exhaustive_category_ids"), gone), "/images/0: no 'not_exhaustive_category_ids'"));
  CHECK(contains(bad_truth(Pointer("/images/0/neg_category_ids"), gone, "box", "lvis"), "/images/0: no 'neg_category_ids'"));
  CHECK(contains(bad_truth(Pointer("/categories/1/frequency"), gone), "/categories/1: no 'frequency'"));
  CHECK(contains(bad_truth(Pointer("/categories/1/frequency"), "x"), "/categories/1/frequency: expected 'r', 'c' or 'f'"));
  CHECK(contains(bad_truth(Pointer("/images"), gone), "no 'images'"));
  CHECK(contains(bad_truth(Pointer("/annotations/0/segmentation"), gone, "mask"), "/annotations/0: no 'segmentation'"));
  CHECK(contains(bad_truth(Pointer("/annotations/0/keypoints"), gone, "keypoints", "coco"), "/annotations/0: no 'keypoints'"));
  for (const auto& [segmentation, message] : std::vector<std::pair<Json, std::string>>{
           {Json::array(), "no polygon"},
           {Json::array({Json::array({1, 2, 3, 4})}), "a polygon of 4 numbers"},
           {{1, 2, 3}, "expected a list, found the number 1"},
           {"x", "expected polygons or run lengths, found a string"},
           {{{"size", {100, 100}}, {"counts", {1, 2, 3}}}, "run lengths that sum to 6"},
           {{{"size", {100, 100}}, {"counts", {-1, 2, 3}}}, "expected 0 to"},
           {{{"size", {100, 100}}, {"counts", "\x01"}}, "character 0"},
           {{{"size", Json::array({100})}, {"counts", Json::array({1})}}, "a size that is not height and width"},
           {Json::object({{"counts", Json::array({1})}}), "run lengths without 'size'"},
           {Json::object({{"size", {100, 100}}}), "run lengths without 'counts'"}})
    CHECK(contains(bad_truth(Pointer("/annotations/0/segmentation"), segmentation, "mask"), "/annotations/0/segmentation: " + message));
  CHECK(contains(refused(simple_truth({annotation(4, {1, 1, 5, 5}), annotation(4, {1, 1, 5, 5})}).dump(), Json::array({good}).dump()),
                 "/annotations/1/id: 4 is"));
  CHECK(contains(refused(Json::array({good}).dump(), Json::array({good}).dump()), "are these the results"));
  CHECK(contains(refused(truth.dump(), Json::array({good}).dump(), "keypoints", "auto", Exit::usage), "LVIS has none"));
  CHECK(contains(error_of(Exit::usage, [] { score::score_detections({}, "x", 1); }), "--ground-truth"));
}

TEST_CASE("results by way of a predictions manifest, whose digest must fit") {
  const Folder folder;
  write_plainly(folder / "truth.json", simple_truth({annotation(1, {10, 10, 40, 40})}).dump());
  write_plainly(folder / "results.json", Json::array({result({10, 10, 40, 40}, 0.5)}).dump());
  Json document{{"manifest", "predictions"}, {"version", 1}, {"task", "detection"}, {"data", {{"path", "results.json"}}}};
  DetectOptions options;
  options.ground_truth = folder / "truth.json";
  const auto score = [&] {
    write_plainly(folder / "predictions.json", document.dump());
    return score::score_detections(options, folder / "predictions.json", 2);
  };
  const manifest::Metrics metrics = score();
  CHECK(metrics.rows.front().value == doctest::Approx(1));
  REQUIRE(metrics.inputs.size() == 3);
  document["data"]["digest"] = metrics.inputs[2].at("digest");
  CHECK(score().rows.front().value == doctest::Approx(1));
  document["data"]["digest"] = "sha256:00";
  CHECK(contains(error_of(Exit::bad_data, score), "not those that"));
  document["data"]["path"] = "absent.json";
  CHECK(contains(error_of(Exit::no_input, score), "absent.json"));
}

TEST_CASE("what stands behind the figures: categories by frequency, and curves that end where recall does") {
  Json truth = simple_truth({annotation(1, {10, 10, 40, 40}, 1), annotation(2, {60, 60, 20, 20}, 1), annotation(3, {60, 10, 20, 20}, 2)});
  const Run mine = run(truth, {result({10, 10, 40, 40}, 0.5, 1), result({60, 10, 20, 20}, 0.5, 2)}, "lvis");
  const auto& breakdowns = mine.metrics.breakdowns;
  REQUIRE(breakdowns.size() == 4);
  CHECK(breakdowns[0].at("title") == "AP by category: rare");
  CHECK(breakdowns[0].at("rows")[0].at("name") == "cup");
  CHECK(breakdowns[0].at("rows")[0].at("values")[0].get<double>() == doctest::Approx(51.0 / 101));
  CHECK(breakdowns[0].at("rows")[0].at("values")[2] == 2);
  CHECK(breakdowns[1].at("title") == "AP by category: frequent");
  const auto& series = breakdowns[2].at("series");
  REQUIRE(series.size() == 4);
  CHECK(series[1].at("name") == "rare");
  CHECK(series[1].at("y")[50].get<double>() == doctest::Approx(1));
  CHECK(series[1].at("y")[51] == 0);
  CHECK(series[2].at("y")[0].is_null());  // no common category
  CHECK_NOTHROW(manifest::to_json(mine.metrics, ""));
}

}  // namespace selfsight::test
