#include "score/reid.h"

#include "score/people.h"
#include "unit/arrays.h"
#include "unit/support.h"

#include <cmath>

using namespace selfsight;
using test::contains;
using test::error_of;

namespace {

/// A case of tests/parity/score/ranking.json as files.
struct Files {
  test::Folder folder;
  manifest::Json data;
  score::ReidOptions options;

  explicit Files(std::size_t which) {
    data = manifest::Json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/ranking.json"))["cases"][which];
    for (const std::string side : {"query", "gallery"}) {
      const std::vector<float> values = data[side];
      const auto dim = data["dim"].get<std::size_t>();
      test::write_plainly(folder / (side + ".npy"), test::npy_of("<f4", fmt::format("{}, {}", values.size() / dim, dim), values));
      std::string items = "identity,camera,path\n";
      for (std::size_t i = 0; i < values.size() / dim; ++i)
        items += fmt::format("{},{},{}{}.jpg\n", data[side + "_identity"][i].dump(), data[side + "_camera"][i].dump(), side, i);
      test::write_plainly(folder / (side + ".csv"), items);
    }
    test::write_plainly(folder / "query0.jpg", "not looked into");
    options.query = (folder / "query.npy").string();
    options.gallery = (folder / "gallery.npy").string();
    options.query_items = (folder / "query.csv").string();
    options.gallery_items = (folder / "gallery.csv").string();
    options.metric = data["metric"];
  }
  [[nodiscard]] std::string refusal() const {
    return error_of(core::Exit::bad_data, [this] { score::score_reid(options, 2); });
  }
};

double value(const manifest::Metrics& metrics, const std::string& name, const std::string& key = "", const manifest::Json& is = {}) {
  for (const auto& row : metrics.rows)
    if (row.name == name && (key.empty() || row.protocol.value(key, manifest::Json()) == is)) return row.value;
  FAIL_CHECK("no row " << name);
  return 0;
}

}  // namespace

TEST_CASE("from files to rows: torchreid's figures, a protocol that tells what was counted, breakdowns that fit the schema") {
  for (const std::size_t which : {0U, 1U, 2U, 3U}) {
    Files files(which);
    files.options.ap = "both";
    files.options.show = 2;
    const auto metrics = score::score_reid(files.options, 2);
    CHECK(value(metrics, "mAP", "AP", "step") == doctest::Approx(100 * files.data["map"].get<double>()).epsilon(1e-12));
    CHECK(value(metrics, "mAP", "AP", "trapezoid") == doctest::Approx(100 * files.data["trapezoid_map"].get<double>()).epsilon(1e-12));
    CHECK(value(metrics, "mINP") == doctest::Approx(100 * files.data["minp"].get<double>()).epsilon(1e-12));
    CHECK(value(metrics, "CMC rank-5") == doctest::Approx(100 * files.data["cmc"][4].get<double>()).epsilon(1e-6));
    const auto& protocol = metrics.rows.front().protocol;
    CHECK(protocol["queries"] == files.data["valid"]);
    CHECK(protocol["queries without a match"] == files.data["query_identity"].size() - files.data["valid"].get<std::size_t>());
    if (which == 2) {
      CHECK(protocol["junk"] == 5);
      CHECK(protocol["distractors"] == 8);
    }
    const manifest::Json json = manifest::to_json(metrics, files.folder.path());  // validates
    for (const auto& breakdown : json["breakdowns"])
      if (breakdown["kind"] == "gallery") {
        CHECK(breakdown["queries"].size() == std::min<std::size_t>(4, files.data["valid"]));
        for (const auto& query : breakdown["queries"]) {
          CHECK(query["ranked"].size() >= 1);
          if (query["query"]["name"].get<std::string>().starts_with("query0.jpg ")) CHECK(query["query"]["image"]["path"] == "query0.jpg");
        }
      }
  }
}

TEST_CASE("the gallery breakdown marks right and wrong as the ranking does, and leaves out what the protocol leaves out") {
  Files files(2);
  files.options.show = 100;
  files.options.rerank = false;
  const auto json = manifest::to_json(score::score_reid(files.options, 1), files.folder.path());
  const auto& data = files.data;
  for (const auto& breakdown : json["breakdowns"]) {
    if (breakdown["kind"] != "gallery") continue;
    CHECK(breakdown["queries"].size() == data["valid"].get<std::size_t>());
    for (const auto& query : breakdown["queries"]) {
      const auto q = std::stoul(query["query"]["name"].get<std::string>().substr(5));
      for (const auto& one : query["ranked"]) {
        const auto g = std::stoul(one["name"].get<std::string>().substr(7));
        const auto identity = data["gallery_identity"][g].get<int>(), own = data["query_identity"][q].get<int>();
        CHECK(one["right"].get<bool>() == (identity == own));
        CHECK(identity != -1);
        CHECK((identity != own || data["gallery_camera"][g] != data["query_camera"][q]));
      }
    }
  }
}

TEST_CASE("re-ranking and CUHK03 from files: the seed and the threads") {
  Files files(0);
  files.options.rerank = true;
  files.options.k1 = 6;
  files.options.k2 = 3;
  const auto one = score::score_reid(files.options, 1), two = score::score_reid(files.options, 5);
  CHECK(manifest::to_json(one, {}) == manifest::to_json(two, {}));
  CHECK(one.rows.front().protocol["re-ranking"]["k1"] == 6);
  files.options.rerank = false;
  const double plain = value(score::score_reid(files.options, 1), "mAP");
  files.options.rerank = true;
  files.options.lambda = 1;
  CHECK(value(score::score_reid(files.options, 1), "mAP") == doctest::Approx(plain).epsilon(1e-12));  // nothing but the original distance

  Files shots(2);
  shots.options.protocol = "cuhk03";
  const auto a = score::score_reid(shots.options, 1), b = score::score_reid(shots.options, 3);
  CHECK(manifest::to_json(a, {}) == manifest::to_json(b, {}));
  const std::string key = "distractors count as";
  CHECK(value(a, "CMC rank-5", key, "one identity, as in torchreid") > value(a, "CMC rank-5", key, "an identity each"));
}

TEST_CASE("queries that are the gallery do not find themselves") {
  Files files(0);
  files.options.query = files.options.gallery;
  files.options.query_items = files.options.gallery_items;
  files.options.gallery = files.options.gallery_items = "";
  files.options.same_camera = "keep";
  const auto metrics = score::score_reid(files.options, 2);
  CHECK(value(metrics, "CMC rank-1") < 100);
}

TEST_CASE("hostile input is refused by name") {
  {
    Files files(0);
    auto values = files.data["query"].get<std::vector<float>>();
    values[7] = std::numeric_limits<float>::quiet_NaN();
    test::write_plainly(files.folder / "query.npy", test::npy_of("<f4", "12, 5", values));
    CHECK(contains(files.refusal(), "query.npy: row 1, dimension 2 is nan"));
    test::write_plainly(files.folder / "query.npy", test::npy_of("<f4", "15, 4", std::vector<float>(60, 1)));
    CHECK(contains(files.refusal(), "names 12 items, the features have 15 rows"));
    test::write_plainly(files.folder / "query.npy", test::npy_of("<f4", "12, 4", std::vector<float>(48, 1)));
    CHECK(contains(files.refusal(), "queries have 4 dimensions"));
  }
  {
    Files files(0);
    test::write_plainly(files.folder / "gallery.npy", test::npy_of("<f4", "0, 5", std::vector<float>{}));
    CHECK(contains(files.refusal(), "gallery.npy: has no features (0 x 5)"));
  }
  {
    Files files(0);
    test::write_plainly(
        files.folder / "gallery.csv", "identity\n" + [] {
          std::string rows;
          for (int i = 0; i < 40; ++i) rows += "3\n";
          return rows;
        }());
    CHECK(contains(files.refusal(), "gallery.csv: tells no cameras"));
    CHECK(contains(files.refusal(), "--same-camera keep"));
    files.options.gallery_items = "";
    CHECK(contains(files.refusal(), "does not say who is on its rows"));
  }
  {
    Files files(0);
    std::string items = "identity,camera\n";
    for (int i = 0; i < 12; ++i) items += "0,1\n";
    test::write_plainly(files.folder / "query.csv", items);
    CHECK(contains(files.refusal(), "query.csv: query 0 (row 0) has identity 0, which stands for distractors"));
    files.options.special_identities = false;
    CHECK(contains(files.refusal(), "none of the 12 queries has a match"));
    test::write_plainly(files.folder / "query.csv", "identity,camera\n1,x\n");
    CHECK(contains(files.refusal(), "names 1 items"));
  }
  {
    Files files(0);
    files.options.images = (files.folder / "nowhere").string();
    error_of(core::Exit::no_input, [&] { score::score_reid(files.options, 1); });
    files.options.images = files.options.query_items;
    CHECK(contains(files.refusal(), "--images"));
  }
  score::ReidOptions nothing;
  CHECK(contains(error_of(core::Exit::usage, [&] { score::score_reid(nothing, 1); }), "--query"));
}

TEST_CASE("file names of Market-1501 and DukeMTMC") {
  const auto named = [](const char* name) {
    const auto one = score::market_name(name);
    return one ? std::pair(one->identity, one->camera) : std::pair<std::int64_t, std::int64_t>(-99, -99);
  };
  CHECK(named("a/b/0002_c1s1_000451_03.jpg") == std::pair<std::int64_t, std::int64_t>(2, 1));
  CHECK(named("-1_c6s3_000401_03.jpg") == std::pair<std::int64_t, std::int64_t>(-1, 6));
  CHECK(named("0005_c2_f0046985.jpg") == std::pair<std::int64_t, std::int64_t>(5, 2));
  for (const char* other : {"cat.jpg", "0002.jpg", "0002_x1s1.jpg", "_c1s1_1.jpg", "0002_c", "0002_cs1_1.jpg", "0002_c1.jpg", ""})
    CHECK(!score::market_name(other));
}
