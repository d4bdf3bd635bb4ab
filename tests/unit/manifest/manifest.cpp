#include "manifest/manifest.h"

#include "core/digest.h"
#include "core/files.h"
#include "core/rng.h"
#include "core/tool.h"
#include "manifest/payload.h"
#include "unit/support.h"

#include <cmath>

using namespace selfsight;
using namespace selfsight::manifest;
using core::Exit;
using test::contains;
using test::error_of;
using test::Folder;
using test::Redirect;

namespace {

Dataset sample_dataset() {
  Dataset dataset;
  dataset.name = "tiny";
  Split split;
  split.format = "idx";
  split.root = "/data/tiny";
  split.files["images"] = {"/data/tiny/images.gz", "sha256:1"};
  split.count = 100;
  split.labels = {"cat", "dog"};
  split.fields = {"image", "label"};
  split.image = {28, 28, 1};
  split.subset = File{"/data/tiny/subset.json", "sha256:2"};
  split.digest = "sha256:3";
  dataset.splits["train"] = split;
  return dataset;
}

Model sample_model(const fs::path& folder) {
  Model model;
  model.method = "simclr";
  model.architecture = {{"name", "resnet18"}, {"width", 0.25}};
  model.weights = {folder / "weights.safetensors", "sha256:4"};
  model.input = {28, 28, 1};
  model.mean = {0.5};
  model.stddev = {0.25};
  model.feature_dim = 128;
  model.config = {{"epochs", 7}};
  model.training = {{"epochs", 7}, {"files", {{"metrics", {{"path", (folder / "metrics.jsonl").string()}, {"digest", "sha256:5"}}}}}};
  model.heads = {{"projector", {{"weights", {{"path", (folder / "heads/p.safetensors").string()}, {"digest", "sha256:6"}}}}}};
  model.dataset = sample_dataset();
  return model;
}

Metrics sample_metrics() {
  Metrics metrics;
  Row row;
  row.name = "linear top-1";
  row.value = 84.25;
  row.unit = "%";
  row.split = "test";
  row.protocol = {{"labels", 100}, {"seed", 0}};
  row.samples = {84, 84.5};
  row.subject = "simclr";
  metrics.rows = {row};
  return metrics;
}

std::string refused(const Json& document) {
  return error_of(Exit::bad_data, [&] { validate(document, "x.json"); });
}

/// The text of a document written to a file and read again, as another process would.
Document reread(const Folder& folder, const Json& document) {
  core::write_atomically(folder / "again.json", document.dump());
  return read_document((folder / "again.json").string());
}

}  // namespace

TEST_CASE("every kind goes to JSON and back without loss, unknown fields included") {
  const fs::path base = "/runs/a";
  const auto round_trip = [&](auto value, const std::string& kind) {
    using M = decltype(value);
    value.tool = {{"name", "t"}, {"version", "1"}, {"colour", "red"}};
    value.inputs = {{{"kind", "dataset"}, {"path", "d.json"}, {"digest", "sha256:9"}}};
    value.extra = {{"from_the_future", {{"deep", {1, 2, nullptr}}}}};
    const Json json = to_json(value, base);
    CHECK(json.at("manifest") == kind);
    CHECK(json.at("version") == 1);
    CHECK(json.at("folder") == "/runs/a");
    CHECK(json.at("from_the_future") == value.extra.at("from_the_future"));
    const M back = from_json<M>(json, base, "x.json");
    CHECK(back.extra == value.extra);
    CHECK(back.tool == value.tool);
    CHECK(back.inputs == value.inputs);
    CHECK(back.folder == base);
    CHECK(back.origin == "x.json");
    CHECK(to_json(back, base) == json);
    return back;
  };
  Dataset dataset = sample_dataset();
  dataset.splits["train"].extra = {{"clips", 3}};
  dataset.splits["train"].files["images"].extra = {{"bytes", 12}};
  const Dataset d = round_trip(dataset, "dataset");
  const Split& split = d.split("train");
  CHECK(split.extra == Json{{"clips", 3}});
  CHECK(split.files.at("images").extra == Json{{"bytes", 12}});
  CHECK(split.root == "/data/tiny");
  CHECK(split.count == 100);
  CHECK(split.labels == std::vector<std::string>{"cat", "dog"});
  CHECK(split.subset->path == "/data/tiny/subset.json");
  CHECK(contains(error_of(Exit::bad_data, [&] { static_cast<void>(d.split("test")); }), "x.json: has no split 'test' (it has: train;"));

  const Model m = round_trip(sample_model(base), "model");
  CHECK(m.weights.path == "/runs/a/weights.safetensors");
  CHECK(m.weights.digest == "sha256:4");
  CHECK(m.training["files"]["metrics"]["path"] == "/runs/a/metrics.jsonl");
  CHECK(m.dataset.split("train").count == 100);

  Features features;
  features.split = "test";
  features.layer = "pooled";
  features.count = 10;
  features.dim = 128;
  features.data = {base / "features.safetensors", "sha256:7"};
  features.model = to_json(sample_model(base), base);
  features.dataset = to_json(sample_dataset(), base);
  CHECK(round_trip(features, "features").data.path == "/runs/a/features.safetensors");
  features.model = features.dataset = Json();
  round_trip(features, "features");

  Plan plan;
  plan.rule = "clusters";
  plan.split = "train";
  plan.count = 100;
  plan.batch = 10;
  plan.redraw = true;
  plan.facts = {{"groups", 10}};
  plan.data = {base / "plan.safetensors", "sha256:8"};
  plan.dataset = to_json(sample_dataset(), base);
  const Plan planned = round_trip(plan, "plan");
  CHECK(planned.data.path == "/runs/a/plan.safetensors");
  CHECK(planned.batch == 10);
  CHECK(planned.redraw);
  CHECK(planned.facts.at("groups") == 10);

  Predictions predictions;
  predictions.task = "detection";
  predictions.data = {base / "boxes.jsonl", ""};
  CHECK(round_trip(predictions, "predictions").task == "detection");

  Metrics metrics = sample_metrics();
  metrics.rows[0].extra = {{"note", "first"}};
  metrics.model = to_json(sample_model(base), base);
  const Metrics back = round_trip(metrics, "metrics");
  CHECK(back.rows[0].extra == Json{{"note", "first"}});
  CHECK(back.rows[0].samples == std::vector<double>{84, 84.5});
  CHECK(back.rows[0].subject == "simclr");
}

TEST_CASE("a number that is none goes through JSON as null") {
  const Folder folder;
  Metrics metrics = sample_metrics();
  metrics.rows[0].value = std::nan("");
  metrics.rows[0].samples = {1, HUGE_VAL};
  const Document document = reread(folder, to_json(metrics, folder.path()));
  const Metrics back = from_json<Metrics>(document.json, document.folder, document.origin);
  CHECK(std::isnan(back.rows[0].value));
  CHECK(back.rows[0].samples[0] == 1);
  CHECK(std::isnan(back.rows[0].samples[1]));
}

TEST_CASE("a fault is told with origin, JSON pointer, what was expected and what is there") {
  const Json good = to_json(sample_model("/runs/a"), "/runs/a");
  validate(good, "x.json");
  const auto with = [&](const char* pointer, const Json& value) {
    Json bad = good;
    bad[Json::json_pointer(pointer)] = value;
    return refused(bad);
  };
  CHECK(with("/feature_dim", "128") == "x.json: /feature_dim: expected integer, got string");
  CHECK(with("/feature_dim", 1.5) == "x.json: /feature_dim: expected integer, got number");
  CHECK(with("/feature_dim", 0) == "x.json: /feature_dim: expected at least 1, got 0");
  CHECK(with("/feature_dim", 18446744073709551615u) == "x.json: /feature_dim: expected at most 2147483647, got 18446744073709551615");
  CHECK(with("/input", {28, 28}) == "x.json: /input: expected at least 3 items, got 2");
  CHECK(with("/input/1", "28") == "x.json: /input/1: expected integer, got string");
  CHECK(with("/weights", {{"digest", "x"}}) == "x.json: /weights: 'path' is missing");
  CHECK(with("/weights/path", 1) == "x.json: /weights/path: expected string, got integer");
  CHECK(with("/dataset", "cifar") == "x.json: /dataset: expected object, got string");
  CHECK(with("/dataset/splits/train/count", "x") == "x.json: /dataset/splits/train/count: expected integer, got string");
  CHECK(with("/dataset/splits/train/count", -1) == "x.json: /dataset/splits/train/count: expected at least 0, got -1");
  CHECK(with("/dataset/splits/train/files/images", {{"digest", ""}}) == "x.json: /dataset/splits/train/files/images: 'path' is missing");
  CHECK(with("/dataset/splits/a~1b~0c", {{"format", 1}, {"root", ""}, {"count", 0}}) ==
        "x.json: /dataset/splits/a~1b~0c/format: expected string, got integer");
  for (const char* of_source : {"prefix", "part", "listing"})  // what sources add to splits
    CHECK(with((std::string("/dataset/splits/train/") + of_source).c_str(), 5) ==
          fmt::format("x.json: /dataset/splits/train/{}: expected string, got integer", of_source));
  CHECK(with("/dataset/manifest", "model") == "x.json: /dataset/manifest: expected a dataset manifest, got a model manifest");
  CHECK(with("/dataset/version", 8) == "x.json: /dataset/version: version 8 is newer than this program knows (1)");
  CHECK(with("/version", 7) == "x.json: /version: version 7 is newer than this program knows (1)");
  CHECK(with("/version", "1") == "x.json: /version: expected integer, got string");
  CHECK(with("/version", 0) == "x.json: /version: expected at least 1, got 0");
  CHECK(contains(with("/manifest", "modle"), "x.json: /manifest: 'modle' is no kind of manifest"));
  CHECK(with("/manifest", 5) == "x.json: /manifest: expected string, got integer");

  Json missing = to_json(sample_dataset(), "/");
  missing["splits"]["train"].erase("count");
  CHECK(refused(missing) == "x.json: /splits/train: 'count' is missing");
  CHECK(refused(Json::array({1})) == "x.json: /: expected a manifest, got array");
  CHECK(refused({{"a", 1}}) == "x.json: /: is JSON but no manifest: 'manifest' is missing");
  Json metrics = to_json(sample_metrics(), "/");
  metrics["rows"][0]["value"] = "high";
  CHECK(refused(metrics) == "x.json: /rows/0/value: expected number or null, got string");
  metrics = to_json(sample_metrics(), "/");
  metrics["features"] = {to_json(sample_dataset(), "/")};
  CHECK(refused(metrics) == "x.json: /features/0/manifest: expected a features manifest, got a dataset manifest");
  CHECK(error_of(Exit::bad_data, [&] { from_json<Model>(to_json(sample_dataset(), "/"), "/", "x.json"); }) ==
        "x.json: expected a model manifest, got a dataset manifest");
  Model unusable = sample_model("/runs/a");
  unusable.feature_dim = 0;
  CHECK(contains(error_of(Exit::bad_data, [&] { to_json(unusable, "/runs/a"); }), "/feature_dim: expected at least 1, got 0"));
}

TEST_CASE("every kind ships a schema, and they agree with what is written") {
  for (const char* kind : {"dataset", "model", "features", "plan", "predictions", "metrics"}) {
    CHECK(schema(kind).at("$schema") == "http://json-schema.org/draft-07/schema#");
    CHECK(schema(kind).at("properties").at("manifest").at("const") == kind);
  }
  error_of(Exit::internal, [] { schema("poem"); });
}

TEST_CASE("paths are relative on disk where they lie below the folder, absolute in memory") {
  const Json json = to_json(sample_model("/runs/a"), "/runs/a");
  CHECK(json["weights"]["path"] == "weights.safetensors");
  CHECK(json["training"]["files"]["metrics"]["path"] == "metrics.jsonl");
  CHECK(json["heads"]["projector"]["weights"]["path"] == "heads/p.safetensors");
  CHECK(json["dataset"]["splits"]["train"]["root"] == "/data/tiny");
  const Json elsewhere = to_json(sample_model("/runs/a"), "/runs/b");
  CHECK(elsewhere["weights"]["path"] == "/runs/a/weights.safetensors");
  const Json absolute = to_json(sample_model("/runs/a"), "");
  CHECK(absolute["weights"]["path"] == "/runs/a/weights.safetensors");
  CHECK_FALSE(absolute.contains("folder"));
  Json moved = json;
  moved.erase("folder");
  CHECK(from_json<Model>(moved, "/runs/c", "x.json").weights.path == "/runs/c/weights.safetensors");
  CHECK(from_json<Model>(moved, "/runs/c", "x.json").dataset.split("train").root == "/data/tiny");
  Model none = sample_model("/runs/a");
  none.weights = {};
  CHECK(from_json<Model>(to_json(none, "/runs/a"), "/runs/a", "x").weights.path.empty());
  none.dataset = {};
  CHECK_FALSE(to_json(none, "/runs/a").contains("dataset"));
  CHECK(from_json<Model>(to_json(none, "/runs/a"), "/runs/a", "x").dataset.splits.empty());
}

TEST_CASE("a manifest inside another keeps its paths right wherever either goes") {
  Metrics metrics = sample_metrics();
  metrics.model = to_json(sample_model("/runs/a"), "/runs/a");
  metrics.folder = "/results";
  const Json elsewhere = to_json(metrics, "/results");
  CHECK(elsewhere["model"]["weights"]["path"] == "/runs/a/weights.safetensors");
  CHECK_FALSE(elsewhere["model"].contains("folder"));
  const Json beside = to_json(metrics, "/runs");
  CHECK(beside["model"]["weights"]["path"] == "a/weights.safetensors");
  CHECK(beside["model"]["dataset"]["splits"]["train"]["root"] == "/data/tiny");

  Json moved = beside;
  moved.erase("folder");
  const Metrics read = from_json<Metrics>(moved, "/moved", "m.json");
  const Model model = from_json<Model>(read.model, read.folder, read.origin);
  CHECK(model.weights.path == "/moved/a/weights.safetensors");
  CHECK(model.dataset.split("train").files.at("images").path == "/data/tiny/images.gz");
}

TEST_CASE("what tells of the past is no payload") {
  Dataset dataset = sample_dataset();
  dataset.inputs = {{{"kind", "dataset"}, {"path", "in.json"}, {"digest", "sha256:1"}}};
  dataset.extra = {{"sheet", {{"path", "/data/sheet.png"}, {"digest", ""}}}, {"page", {{"path", "kept"}, {"size", 1}}}};
  const Json json = to_json(dataset, "/data");
  CHECK(json["inputs"][0]["path"] == "in.json");
  CHECK(json["sheet"]["path"] == "sheet.png");
  CHECK(json["page"]["path"] == "kept");
  CHECK(from_json<Dataset>(json, "/data", "x").inputs[0]["path"] == "in.json");
}

TEST_CASE("emit writes the file, prints it with its folder, and both read the same") {
  const Folder folder;
  fs::create_directories(folder / "run");
  core::write_atomically(folder / "run/weights.safetensors", std::string_view("w"));
  Model model = sample_model(folder / "run");
  stamp(model, "ssl-pretrain", {"ssl-pretrain", "simclr"}, 12.5, {});
  {
    const Redirect out(STDOUT_FILENO, folder / "out.json");
    emit(to_json(model, folder / "run"), folder / "run/model.json");
  }
  const Json file = Json::parse(core::read_text(folder / "run/model.json")), printed = Json::parse(core::read_text(folder / "out.json"));
  CHECK_FALSE(file.contains("folder"));
  CHECK(printed["folder"] == (folder / "run").string());
  CHECK(file["tool"] ==
        Json{{"name", "ssl-pretrain"}, {"version", core::version_number()}, {"argv", {"ssl-pretrain", "simclr"}}, {"seconds", 12.5}});

  CHECK(read<Model>((folder / "run/model.json").string()).weights.path == folder / "run/weights.safetensors");
  CHECK(read<Model>((folder / "out.json").string()).weights.path == folder / "run/weights.safetensors");  // as after "> out.json"
  {
    const Redirect in(STDIN_FILENO, folder / "out.json");
    const Document piped = read_document("-");
    CHECK(piped.kind == "model");
    CHECK(piped.origin == "<stdin>");
    CHECK(piped.folder == folder / "run");
    CHECK(piped.json.at("folder") == (folder / "run").string());
    CHECK(from_json<Model>(piped.json, piped.folder, piped.origin).weights.path == folder / "run/weights.safetensors");
  }
  // Moved with its folder, a manifest finds its payloads there.
  fs::rename(folder / "run", folder / "moved");
  fs::rename(folder / "out.json", folder / "moved/out.json");
  CHECK(read<Model>((folder / "moved/model.json").string()).weights.path == folder / "moved/weights.safetensors");
}

TEST_CASE("a document made for one folder and emitted into another still names its payloads") {
  const Folder folder;
  const Redirect out(STDOUT_FILENO, folder / "out.json");
  emit(to_json(sample_model("/runs/a"), "/runs/a"), folder / "sub/model.json");
  CHECK(Json::parse(core::read_text(folder / "sub/model.json"))["weights"]["path"] == "/runs/a/weights.safetensors");
}

TEST_CASE("without provenance two runs write the same bytes") {
  const Folder folder;
  const auto run = [&](const std::string& name, double seconds, const fs::path& input) {
    const Redirect out(STDOUT_FILENO, folder / "out");
    Dataset before = sample_dataset();
    stamp(before, "ssl-data", {"ssl-data", name}, seconds, {});
    Model model = sample_model(folder / name);
    model.inputs = {input_entry("dataset", input.string(), to_json(before, folder / name))};
    stamp(model, "ssl-pretrain", {"ssl-pretrain", name}, seconds, {.provenance = false});
    emit(to_json(model, folder / name), folder / name / "model.json");
    return core::read_text(folder / name / "model.json");
  };
  const std::string first = run("one", 1, "/somewhere/d.json");
  CHECK(first == run("two", 2, "/elsewhere/d.json"));
  CHECK(first.find("seconds") == std::string::npos);
  CHECK(first.find(folder.path().string()) == std::string::npos);
  CHECK(contains(first, R"("path": "d.json")"));
}

TEST_CASE("the digest of an input is of what it says") {
  Dataset dataset = sample_dataset();
  const Json entry = input_entry("dataset", "d.json", to_json(dataset, "/a"));
  CHECK(entry["kind"] == "dataset");
  CHECK(entry["path"] == "d.json");
  stamp(dataset, "t", {"t"}, 3, {});
  CHECK(input_entry("dataset", "d.json", to_json(dataset, "/b"))["digest"] == entry["digest"]);
  dataset.splits["train"].count = 99;
  CHECK(input_entry("dataset", "d.json", to_json(dataset, "/a"))["digest"] != entry["digest"]);
}

TEST_CASE("what cannot be read says why") {
  const Folder folder;
  const auto message = [&](std::string_view text) {
    test::write_plainly(folder / "m.json", text);
    const std::string full = error_of(Exit::bad_data, [&] { read_document((folder / "m.json").string()); });
    CHECK(full.starts_with((folder / "m.json").string() + ": "));
    return full.substr((folder / "m.json").string().size() + 2);
  };
  CHECK(message("") == "is empty");
  CHECK(message(" \n") == "is empty");
  CHECK(message("{\n \"manifest\": }") == "is not JSON: fault at byte 16, line 2");
  CHECK(contains(message("{\"manifest\": \"model\""), "is not JSON: fault at byte"));
  CHECK(contains(message("\x89PNG\r\n"), "is not JSON: fault at byte 1, line 1"));
  CHECK(contains(message("{\"manifest\": \"\xff\"}"), "is not JSON"));
  CHECK(contains(message(std::string(5000, '[')), "nested deeper than 100 levels"));
  CHECK(contains(message("[1e999]"), "is not JSON"));
  error_of(Exit::no_input, [&] { read_document((folder / "missing.json").string()); });
  error_of(Exit::no_input, [&] { read_document(folder.path().string()); });
  core::write_atomically(folder / "empty", std::string_view(""));
  const Redirect in(STDIN_FILENO, folder / "empty");
  CHECK(error_of(Exit::bad_data, [] { read_document("-"); }) == "nothing arrived on stdin: did the command before it fail?");
}

TEST_CASE("a name that is not UTF-8 is refused rather than written broken") {
  Dataset dataset = sample_dataset();
  dataset.splits["train"].root = "/data/\xff";
  const Folder folder;
  CHECK(contains(error_of(Exit::bad_data, [&] { emit(to_json(dataset, folder.path()), folder / "d.json"); }), "not UTF-8"));
  CHECK(folder.entries() == 0);
}

TEST_CASE("a payload that is missing or another than the manifest names is told") {
  const Folder folder;
  test::write_plainly(folder / "w", "abc");
  const File file{folder / "w", core::digest_of(std::string_view("abc"))};
  CHECK(checked_payload(file, "weights", "m.json") == folder / "w");
  CHECK(checked_payload({folder / "w", ""}, "weights", "m.json") == folder / "w");
  test::write_plainly(folder / "w", "abd");
  const std::string message = error_of(Exit::bad_data, [&] { checked_payload(file, "weights", "m.json"); });
  CHECK(contains(message, (folder / "w").string() + ": the weights is not the one that m.json names"));
  CHECK(contains(error_of(Exit::no_input, [&] { checked_payload({folder / "x", ""}, "weights", "m.json"); }), "m.json names is missing"));
  error_of(Exit::no_input, [&] { checked_payload({folder.path(), ""}, "weights", "m.json"); });
}

TEST_CASE("damaged manifests either read or end with our error") {
  const Folder folder;
  Metrics metrics = sample_metrics();
  metrics.model = to_json(sample_model(folder.path()), folder.path());
  const std::string good = to_json(metrics, folder.path()).dump();
  core::Rng rng(1, core::Stream::test);
  int refusals = 0;
  for (int i = 0; i < 600; ++i) {
    std::string damaged = good;
    for (std::uint64_t k = 0; k < 1 + rng.below(3); ++k) {
      const std::size_t at = rng.below(damaged.size());
      if (rng.chance(0.5)) {
        damaged[at] = static_cast<char>(rng.below(256));
      } else {
        damaged.erase(at, 1 + rng.below(30));
      }
    }
    test::write_plainly(folder / "d.json", damaged);
    try {
      const Metrics read = manifest::read<Metrics>((folder / "d.json").string());
      if (read.model.is_object()) from_json<Model>(read.model, read.folder, read.origin);
    } catch (const core::Error& error) {
      ++refusals;
      CHECK(error.exit() == Exit::bad_data);
    }
  }
  CHECK(refusals > 200);
}
