#include "report/page.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/image.h"
#include "data/source.h"
#include "manifest/safetensors.h"
#include "report/html.h"
#include "report/record.h"
#include "unit/support.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

using namespace selfsight;
using namespace selfsight::report;
using manifest::Json;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t images = 40, dims = 6;
const std::string hostile = "a<script>alert(1)</script>\"'&";

/// A class folder of small pictures: bright ones and dark ones.
manifest::Dataset make_dataset(const fs::path& root) {
  for (std::int64_t i = 0; i < images; ++i) {
    data::Image image(8, 8, 3);
    for (std::uint8_t& value : image.pixels) value = static_cast<std::uint8_t>(i % 2 == 0 ? 30 + i : 180 + i);
    core::write_atomically(root / "data" / (i % 2 == 0 ? "dark" : "light's & <b>") / fmt::format("{:03}.png", i), data::encode_png(image));
  }
  return data::describe("folder", root / "data");
}

template <class T>
manifest::TensorView view_of(const std::vector<T>& values, std::vector<std::int64_t> shape, const std::string& dtype) {
  return {dtype, std::move(shape), std::as_bytes(std::span(values))};
}

Json file_entry(const fs::path& path) { return {{"path", path.string()}, {"digest", core::digest_of_file(path)}}; }

/// Everything that a finished run hands on, under `root`.
Json make_metrics(const fs::path& root) {
  const manifest::Dataset dataset = make_dataset(root);
  const std::string split = dataset.splits.begin()->first;
  const Json dataset_json = manifest::to_json(dataset, root);

  std::string record;
  for (int step = 1; step <= 600; ++step)
    record += Json{{"type", "step"}, {"step", step}, {"epoch", step / 100.0}, {"loss", 5.0 / step}, {"lr", 0.1}}.dump() + "\n";
  record += Json{{"type", "epoch"}, {"epoch", 6}, {"knn", 0.875}, {"effective_rank", nullptr}}.dump() + "\n";
  core::write_atomically(root / "metrics.jsonl", record);
  core::write_atomically(root / "views.png", data::encode_png(data::Image(16, 16, 1)));
  const std::vector<float> weight = {1, 2};
  manifest::write_safetensors(root / "weights.safetensors", {{"w", view_of(weight, {2}, "F32")}});

  const Json model = {{"manifest", "model"},
                      {"version", 1},
                      {"tool", {{"name", "ssl-pretrain"}, {"version", "0.1.0"}, {"argv", {"ssl-pretrain", "swav", "-o", "my run"}}}},
                      {"method", "swav"},
                      {"architecture", {{"name", "resnet10"}}},
                      {"weights", file_entry(root / "weights.safetensors")},
                      {"input", {8, 8, 3}},
                      {"mean", {0, 0, 0}},
                      {"stddev", {1, 1, 1}},
                      {"feature_dim", dims},
                      {"config", {{"seed", 7}, {"note", hostile}}},
                      {"training",
                       {{"epochs", 6},
                        {"steps", 600},
                        {"images", 6000},
                        {"seconds", 75.0},
                        {"files", {{"metrics", file_entry(root / "metrics.jsonl")}, {"views", file_entry(root / "views.png")}}}}},
                      {"dataset", dataset_json}};

  core::Rng rng(1, core::Stream::test);
  std::vector<float> rows;
  std::vector<std::int64_t> labels, index;
  const auto source = data::open_split(dataset.split(split));
  for (std::int64_t i = 0; i < images; ++i) {
    labels.push_back(source->label(i));
    index.push_back(i);
    for (std::int64_t d = 0; d < dims; ++d) rows.push_back(static_cast<float>(0.3 * rng.normal() + (d == source->label(i) ? 4 : 0)));
  }
  manifest::write_safetensors(root / "features.safetensors", {{"features", view_of(rows, {images, dims}, "F32")},
                                                              {"labels", view_of(labels, {images}, "I64")},
                                                              {"index", view_of(index, {images}, "I64")}});
  const Json features = {{"manifest", "features"},
                         {"version", 1},
                         {"split", split},
                         {"layer", "pooled"},
                         {"count", images},
                         {"dim", dims},
                         {"data", file_entry(root / "features.safetensors")},
                         {"model", model},
                         {"dataset", dataset_json}};
  const auto row = [&](const std::string& subject, double value, const Json& samples) {
    return Json{{"name", "linear top-1"},       {"value", value},     {"unit", "%"},       {"split", split},
                {"protocol", {{"labels", 20}}}, {"samples", samples}, {"subject", subject}};
  };
  return {{"manifest", "metrics"},
          {"version", 1},
          {"rows", {row("swav", 80, {79, 80, 81}), row("pixels", 70, {68, 71, 71}), row(hostile, 60, {59, 60, 61})}},
          {"model", model},
          {"features", {features}}};
}

Material material_of(const Json& json, const fs::path& root) {
  return gather({manifest::Document{json.at("manifest"), json, root, "metrics.json"}});
}

/// Without printing a whole page when it is not there.
bool has(const std::string& html, const std::string& what) { return html.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("a full manifest fills every section") {
  test::Folder folder;
  const Material material = material_of(make_metrics(folder.path()), folder.path());
  const std::string html = make_page(material, {});
  for (const char* id : {"results", "training", "views", "neighbours", "map", "data", "run"})
    CHECK(has(html, fmt::format("<section id=\"{}\">", id)));
  CHECK_FALSE(has(html, "class=\"absent\""));
  CHECK(has(html, "swav on "));
  CHECK(has(html, "80.0"));
  CHECK(has(html, "95 % interval"));
  CHECK(has(html, "Online kNN accuracy"));
  CHECK(has(html, "alt=\"Grid of training views\" src=\"data:image/png"));
  CHECK(has(html, "100.0 % have the query's label"));
  CHECK(has(html, "KL divergence"));
  CHECK(has(html, "ssl-pretrain swav -o &#39;my run&#39;"));
  CHECK(has(html, "Resolved configuration"));
  CHECK_FALSE(has(html, "<script>alert"));
  CHECK(html == make_page(material, {}));
}

TEST_CASE("classes get a section where the metrics hold them, whatever their names") {
  test::Folder folder;
  Json json = make_metrics(folder.path());
  CHECK_FALSE(has(make_page(material_of(json, folder.path()), {}), "id=\"classes\""));
  const Json facts = {{"subject", "swav"}, {"protocol", "knn"}, {"split", "test"}, {"labels", {"dark", hostile}}};
  json["per_class"] = facts;
  json["per_class"]["values"] = {90.0, nullptr};
  json["confusion"] = facts;
  json["confusion"]["counts"] = {{18, 2}, {5, 15}};
  const std::string html = make_page(material_of(json, folder.path()), {});
  CHECK(has(html, "id=\"classes\""));
  CHECK(has(html, "2 of class dark taken for a&lt;script&gt;"));
  CHECK(has(html, ">75</td>"));
  CHECK_FALSE(has(html, "<script>alert"));
  json["confusion"]["counts"] = {{1}};  // not a square: left out, not a fault
  CHECK_FALSE(has(make_page(material_of(json, folder.path()), {}), "What each class was taken for"));
}

TEST_CASE("the page can be about another arm, and names of arms are checked") {
  test::Folder folder;
  const Material material = material_of(make_metrics(folder.path()), folder.path());
  ReportOptions options;
  options.subject = "pixels";
  options.baselines = {"swav"};
  options.map_points = 0;
  const std::string html = make_page(material, options);
  CHECK(has(html, "pixels minus each baseline"));
  CHECK(has(html, "the other way round"));
  options.subject = "pixel";
  CHECK_THROWS_WITH_AS(make_page(material, options), ("--subject: no rows of 'pixel' (there are: swav, pixels, " + hostile + ")").c_str(),
                       core::Error);
  options = {};
  options.queries = {100};
  test::error_of(core::Exit::usage, [&] { make_page(material, options); });
}

TEST_CASE("an image that cannot be read is a grey field, and the page stands") {
  test::Folder folder;
  const Material material = material_of(make_metrics(folder.path()), folder.path());
  ReportOptions options;
  options.queries = {0};
  options.map_points = 0;
  const std::string whole = make_page(material, options);
  core::write_atomically(folder / "data" / "dark" / "000.png", std::string_view("no picture"));
  const std::string html = make_page(material, options);
  CHECK(has(html, "id=\"neighbours\""));
  CHECK(html != whole);
}

TEST_CASE("what is not given is said in one line, and the rest stands") {
  test::Folder folder;
  Json json = make_metrics(folder.path());
  json["features"] = Json::array();
  json["model"]["training"] = {{"epochs", 1}};
  std::string html = make_page(material_of(json, folder.path()), {});
  CHECK(has(html, "names no training record"));
  CHECK(has(html, "No sheet of views"));
  CHECK(has(html, "No features were given"));
  CHECK(has(html, "linear top-1"));
  html = make_page(material_of(json["model"]["dataset"], folder.path()), {});
  CHECK(has(html, "No metrics were given"));
  CHECK(has(html, "No model was given"));
}

TEST_CASE("a payload that is missing or changed stops the page and is named") {
  test::Folder folder;
  const Json json = make_metrics(folder.path());
  for (const char* name : {"metrics.jsonl", "views.png", "features.safetensors"}) {
    const std::string before = core::read_text(folder.path() / name);
    core::write_atomically(folder.path() / name, before + " ");
    test::error_of(core::Exit::bad_data, [&] { make_page(material_of(json, folder.path()), {}); });
    fs::remove(folder.path() / name);
    CHECK(test::contains(test::error_of(core::Exit::no_input, [&] { make_page(material_of(json, folder.path()), {}); }), name));
    core::write_atomically(folder.path() / name, before);
  }
  fs::remove_all(folder.path() / "data");
  test::error_of(core::Exit::no_input, [&] { make_page(material_of(json, folder.path()), {}); });
  ReportOptions without;
  without.images = false;
  CHECK(has(make_page(material_of(json, folder.path()), without), "--no-images was given"));
}

TEST_CASE("only our own pages are replaced") {
  test::Folder folder;
  const fs::path path = folder.path() / "page.html";
  const std::string page = draw(Page{"one", "", "", {}, ""}), other = draw(Page{"two", "", "", {}, ""});
  const Written written = write_page(path, page, false);
  CHECK(written.digest == core::digest_of_file(path));
  write_page(path, other, false);
  CHECK(core::read_text(path) == other);
  core::write_atomically(path, "my notes");
  test::error_of(core::Exit::cannot_create, [&] { write_page(path, page, false); });
  CHECK(core::read_text(path) == "my notes");
  write_page(path, page, true);
  CHECK(core::read_text(path) == page);
}

TEST_CASE("the manifest passed on holds the input and the page, wherever it is read next") {
  test::Folder folder;
  const Json json = make_metrics(folder.path());
  const Written page{folder.path() / "sub" / "page.html", "sha256:0"};
  const Json one = passed_on(material_of(json, folder.path()), page, folder.path() / "sub", {});
  CHECK(one.at("manifest") == "metrics");
  CHECK(one.at("rows").size() == 3);
  CHECK(one.at("report").at("path") == "page.html");
  CHECK(one.at("report").at("digest") == "sha256:0");
  const auto back = manifest::from_json<manifest::Metrics>(one, folder.path() / "sub", "back");
  const auto model = manifest::from_json<manifest::Model>(back.model, back.folder, "back");
  CHECK(fs::exists(training_file(model, "metrics").path));

  const manifest::Document document{"metrics", json, folder.path(), "metrics.json"};
  const Json two = passed_on(gather({document, document}), page, folder.path(), {{"ssl-report"}, 1.0, false});
  CHECK(two.at("rows").size() == 6);
  CHECK(two.at("inputs").size() == 2);
  CHECK(two.at("tool").at("name") == "ssl-report");
}

TEST_CASE("a damaged record names its line") {
  test::Folder folder;
  core::write_atomically(folder.path() / "r.jsonl", "{\"type\":\"step\",\"step\":1,\"loss\":2}\n\n{\"type\":\"st");
  TrainingRecord record;
  CHECK_THROWS_WITH_AS(read_record(folder.path() / "r.jsonl", record),
                       ((folder.path() / "r.jsonl").string() + ":3: not a JSON object").c_str(), core::Error);
}
