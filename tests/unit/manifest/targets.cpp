#include "manifest/targets.h"

#include "unit/support.h"

using namespace selfsight;
using namespace selfsight::manifest;
using selfsight::test::contains;
using selfsight::test::error_of;

TEST_CASE("a rerun replaces its own kind of manifest and nothing else") {
  const test::Folder folder;
  Dataset dataset;
  dataset.name = "a";
  {
    const test::Redirect quiet(STDOUT_FILENO, folder / "stdout");
    for (const bool provenance : {true, false}) {
      stamp(dataset, "ssl-data", {"ssl-data"}, 1, {.provenance = provenance});
      emit(to_json(dataset, folder.path()), folder / (provenance ? "full.json" : "bare.json"));
    }
  }
  refuse_foreign(folder / "full.json", "dataset", false);
  refuse_foreign(folder / "bare.json", "dataset", false);
  refuse_foreign(folder / "new.json", "dataset", false);
  const std::string message = error_of(core::Exit::cannot_create, [&] { refuse_foreign(folder / "full.json", "metrics", false); });
  CHECK(contains(message, "is not a metrics manifest that selfsight wrote"));
  refuse_foreign(folder / "full.json", "metrics", true);
  for (const char* text : {"my notes", "", "{", "{}", "[1]", "{\"manifest\": \"dataset\", \"version\": 1}", "{\"manifest\": 3}",
                           "{\"manifest\": \"dataset\", \"tool\": {\"name\": 1}}", "{\"manifest\": \"dataset\", \"tool\": 1e999}",
                           "{\"manifest\": \"dataset\", \"tool\": \"\xFF\"}"}) {
    CAPTURE(text);
    test::write_plainly(folder / "foreign.json", text);
    error_of(core::Exit::cannot_create, [&] { refuse_foreign(folder / "foreign.json", "dataset", false); });
    CHECK(core::read_text(folder / "foreign.json") == text);
  }
}

TEST_CASE("the output of a tool: where its paths lead from, and what it may replace") {
  const test::Folder folder;
  Output output;
  core::Options options;
  output.describe(options, "the manifest");
  output.check("metrics");
  CHECK_FALSE(output.given());
  CHECK(output.folder() == fs::current_path());
  options.find("output")->set_text((folder / "sub/m.json").string(), "--output");
  CHECK(output.folder() == folder / "sub");
  output.check("metrics");
  core::write_atomically(folder / "sub/m.json", std::string_view("mine"));
  error_of(core::Exit::cannot_create, [&] { output.check("metrics"); });
  options.find("force")->set_text("true", "--force");
  output.check("metrics");
  core::Options without;
  Output fresh;
  fresh.describe(without, "a new folder", /*replaces=*/false);
  CHECK(without.find("force") == nullptr);
}
