// Tar shards with an index, JSON Lines lists and subsets.
#include "core/memory.h"
#include "data/shards.h"
#include "manifest/safetensors.h"
#include "unit/data/support.h"

#include <nlohmann/json.hpp>

#include <cstring>
#include <functional>
#include <limits>
#include <map>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using test::contains;
using test::error_of;
using test::write_plainly;

// images/0.ppm, images/1.ppm ...
void write_pictures(const fs::path& folder, int count) {
  fs::create_directories(folder / "images");
  for (int i = 0; i < count; ++i) write_plainly(folder / fmt::format("images/{}.ppm", i), picture(static_cast<std::uint64_t>(i)));
}

/// Five pictures of two classes as shards of at most 2 KiB, and what describes them.
struct Shards {
  test::Folder folder;
  manifest::Split from;
  fs::path root = folder / "shards", index = root / "train.index.safetensors";

  Shards() {
    write_pictures(folder.path(), 5);
    write_plainly(folder / "list.jsonl", R"({"image": "images/3.ppm", "label": "sea/ship"}
{"image": "images/1.ppm", "label": "cat"}
{"image": "images/4.ppm", "label": "cat"}
{"image": "images/0.ppm", "label": "sea/ship"}
{"image": "images/2.ppm", "label": "cat"}
)");
    const manifest::Dataset dataset = describe("jsonl", folder / "list.jsonl");
    from = dataset.split("train");
    const test::Redirect quiet(STDERR_FILENO, folder / "log");
    write_shards(dataset, root, 2048);
  }
  // Writes the index again with something changed.
  void change(const std::function<void(std::map<std::string, std::vector<std::byte>>&, std::map<std::string, std::string>&)>& edit) const {
    std::map<std::string, std::vector<std::byte>> columns;
    std::map<std::string, std::string> metadata, types;
    {
      const manifest::Safetensors old(index);
      metadata = old.metadata();
      for (const auto& [name, view] : old.tensors()) {
        columns[name] = {view.bytes.begin(), view.bytes.end()};
        types[name] = view.dtype;
      }
    }
    edit(columns, metadata);
    std::map<std::string, manifest::TensorView> views;
    for (const auto& [name, bytes] : columns)
      views[name] = {types[name], {static_cast<std::int64_t>(bytes.size()) / manifest::dtype_size(types[name])}, bytes};
    manifest::write_safetensors(index, views, metadata);
  }
};

}  // namespace

TEST_CASE("shards hold what they were made of, in order, and plain tar can read them") {
  const Shards set;
  CHECK(fs::exists(set.root / "train-00001.tar"));
  const manifest::Dataset dataset = describe("auto", set.root);
  const auto source = open_split(dataset.split("train")), original = open_split(set.from);
  REQUIRE(source->size() == 5);
  CHECK(dataset.split("train").labels == Texts{"cat", "sea/ship"});
  CHECK(labels_of(*source) == Numbers{1, 0, 0, 1, 0});
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(content_of(*source, i) == content_of(*original, i));
    CHECK(source->name(i) == original->name(i));
  }
  const auto unpacked = open_split(describe("tar-folders", set.root / "train-00000.tar").split("train"));
  CHECK(content_of(*unpacked, unpacked->size() - 1) == picture(3));
  CHECK(contains(error_of(Exit::cannot_create, [&] { write_shards(dataset, set.root, 2048); }), set.root.string()));
}

TEST_CASE("shards: what was cut, lost or tampered with is refused by name") {
  using Columns = std::map<std::string, std::vector<std::byte>>;
  using Metadata = std::map<std::string, std::string>;
  struct Case {
    std::string what;
    std::function<void(Columns&, Metadata&)> edit;
    std::string message;
  };
  const auto put = [](std::vector<std::byte>& column, std::size_t row, std::int64_t value) { std::memcpy(&column[8 * row], &value, 8); };
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::vector<Case> cases = {
      {"an offset beyond the shard", [&](Columns& c, Metadata&) { put(c["offset"], 1, 1 << 20); }, "row 1"},
      {"an offset before the shard", [&](Columns& c, Metadata&) { put(c["offset"], 1, -1); }, "row 1"},
      {"a size beyond the shard", [&](Columns& c, Metadata&) { put(c["size"], 4, most); }, "row 4"},
      {"names that run backwards", [&](Columns& c, Metadata&) { put(c["name_end"], 2, 0); }, "row 2"},
      {"names beyond their column", [&](Columns& c, Metadata&) { put(c["name_end"], 4, most); }, "row 4"},
      {"a shard that is not listed", [&](Columns& c, Metadata&) { c["shard"][0] = std::byte{9}; }, "row 0"},
      {"a label without a class", [&](Columns& c, Metadata&) { put(c["label"], 3, 2); }, "label 2"},
      {"a label below none", [&](Columns& c, Metadata&) { put(c["label"], 3, -2); }, "label -2"},
      {"columns of different lengths", [&](Columns& c, Metadata&) { c["label"].resize(8); }, "differ in length"},
      {"an index of another version", [&](Columns&, Metadata& m) { m["format"] = "selfsight-shards-1"; },
       "of version 'selfsight-shards-1'"},
      {"a header that is another's", [&](Columns& c, Metadata&) { c["header"][0] ^= std::byte{1}; }, "is not at byte 512"},
      {"an offset without room for a header", [&](Columns& c, Metadata&) { put(c["offset"], 0, 511); }, "row 0"},
      {"a column lost", [&](Columns& c, Metadata&) { c.erase("size"); }, "size"},
      {"no list of shards", [&](Columns&, Metadata& m) { m["shards"] = "[1"; }, "damaged"},
      {"shards that are numbers", [&](Columns&, Metadata& m) { m["shards"] = "[1]"; }, "damaged"},
      {"a shard elsewhere", [&](Columns&, Metadata& m) { m["shards"] = R"([{"file": "../train-00000.tar", "bytes": 1}])"; }, "would leave"},
      {"a shard without a digest", [&](Columns&, Metadata& m) { m["shards"].replace(m["shards"].find("\"sha"), 1, "7,\"x\":\""); },
       "damaged"},
      {"classes that are numbers", [&](Columns&, Metadata& m) { m["labels"] = "[1, 2]"; }, "class names are damaged"},
      {"classes that are none", [&](Columns&, Metadata& m) { m["labels"] = "{"; }, "class names are damaged"},
      {"a shard by a name that ends before it does",
       [&](Columns&, Metadata& m) { m["shards"] = R"([{"file": "..\u0000/a.tar", "bytes": 1}])"; }, "zero byte"},
      {"a list of shards that is deeper than a stack",
       [&](Columns&, Metadata& m) {
         m["shards"].replace(m["shards"].find("\"bytes\":") + 8, 1, std::string(200'000, '[') + std::string(200'000, ']'));
       },
       "nested deeper"},
      {"no metadata", [&](Columns&, Metadata& m) { m.clear(); }, "missing"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const Shards set;
    set.change(c.edit);
    const std::string message = error_of(Exit::bad_data, [&] { open_split(describe("shards", set.root).split("train")); });
    CHECK(contains(message, set.root.string()));
    CHECK(contains(message, c.message));
  }
  const Shards set;
  const manifest::Split split = describe("shards", set.root).split("train");
  const fs::path shard = set.root / "train-00001.tar";
  fs::resize_file(shard, fs::file_size(shard) - 512);
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), shard.string()));
  fs::remove(shard);
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(split); }), shard.string()));
  for (const std::string& text :
       {std::string(), std::string("hello, world"), core::read_text(set.index).substr(0, 300), std::string(8, '\xFF')}) {
    write_plainly(set.index, text);
    CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), set.index.string()));
  }
}

TEST_CASE("shards are not written outside their folder, whatever splits and classes are called") {
  const test::Folder folder;
  write_pictures(folder.path(), 1);
  write_plainly(folder / "list.jsonl", R"({"image": "images/0.ppm", "label": "../../evil"})");
  const manifest::Dataset evil_class = describe("jsonl", folder / "list.jsonl");
  write_plainly(folder / "plain.jsonl", R"({"image": "images/0.ppm"})");
  manifest::Dataset evil_split = describe("jsonl", folder / "plain.jsonl");
  evil_split.splits["../../evil"] = evil_split.split("train");
  for (const manifest::Dataset& dataset : {evil_class, evil_split}) {
    CHECK(contains(error_of(Exit::bad_data, [&] { write_shards(dataset, folder / "out/of/shards", 4096); }), "evil"));
    CHECK(folder.entries() <= 4);  // the images, the lists, and what was made on the way to the shards
    CHECK_FALSE(fs::exists(folder / "out/of/shards"));
  }
}

TEST_CASE("JSON Lines: paths beside the list, labels by name or number, splits") {
  const test::Folder folder;
  write_pictures(folder.path(), 3);
  write_plainly(folder / "list.jsonl", R"({"image": "images/2.ppm", "label": "dog", "split": "val"}

{"image": "images/0.ppm", "label": "cat"}
{"image": "./images/1.ppm", "label": "dog", "more": [1, 2]})");
  const manifest::Dataset dataset = describe("auto", folder / "list.jsonl");
  const auto train = open_split(dataset.split("train")), val = open_split(dataset.split("val"));
  REQUIRE(train->size() == 2);
  CHECK(labels_of(*train) == Numbers{0, 1});
  CHECK(content_of(*train, 1) == picture(1));
  CHECK(train->name(0) == "list.jsonl:3: images/0.ppm");
  CHECK(content_of(*val, 0) == picture(2));
  CHECK(val->label(0) == 1);
  write_plainly(folder / "numbers.jsonl", "{\"image\": \"images/0.ppm\", \"label\": 2}\r\n{\"image\": \"images/1.ppm\", \"label\": 0}\r\n");
  const manifest::Split numbers = describe("jsonl", folder / "numbers.jsonl").split("train");
  CHECK(numbers.labels == Texts{"0", "1", "2"});
  CHECK(labels_of(*open_split(numbers)) == Numbers{2, 0});
  write_plainly(folder / "bare.jsonl", R"({"image": "images/0.ppm"})");
  CHECK(open_split(describe("jsonl", folder / "bare.jsonl").split("train"))->label(0) == -1);
}

TEST_CASE("JSON Lines: lines that cannot be used are refused by file and number") {
  const test::Folder folder;
  write_pictures(folder.path(), 2);
  const fs::path list = folder / "list.jsonl";
  const std::string first = R"({"image": "images/0.ppm", "label": 1})";
  write_plainly(list, first);
  const manifest::Split split = describe("jsonl", list).split("train");
  for (const std::string line :
       {"hello", "[1]", "{\"image\"", "{}", R"({"image": 7})", R"({"image": ""})", R"({"image": "images/1.ppm", "label": 1} x)",
        R"({"image": "images/1.ppm", "label": -1})", R"({"image": "images/1.ppm", "label": 1.5})",
        R"({"image": "images/1.ppm", "label": 1048576})", R"({"image": "images/1.ppm", "label": 18446744073709551615})",
        R"({"image": "images/1.ppm", "label": null})", R"({"image": "images/1.ppm", "label": "cat"})", R"({"image": "images/1.ppm"})",
        R"({"image": "images/1.ppm", "label": 0, "split": 3})", R"({"image": "images/1.ppm", "label": 0, "split": "../evil"})",
        R"({"image": "images/1.ppm", "label": 0, "split": "a/b"})", R"({"image": "images/1.ppm", "label": 0, "split": ""})",
        "{\"image\": \"\xFF\"}"}) {
    CAPTURE(line);
    write_plainly(list, first + "\n" + line + "\n");
    const std::string message = error_of(Exit::bad_data, [&] { describe("jsonl", list); });
    CHECK(contains(message, list.string() + ":2: "));
    CHECK(error_of(Exit::bad_data, [&] { open_split(split); }) == message);
  }
  for (const char* text : {"", "\n \n"}) {
    write_plainly(list, text);
    CHECK(contains(error_of(Exit::bad_data, [&] { describe("jsonl", list); }), list.string()));
  }
  write_plainly(list, first + "\n" + R"({"image": "images/7.ppm", "label": 0})");
  CHECK(contains(error_of(Exit::no_input, [&] { describe("jsonl", list); }), list.string() + ":2: images/7.ppm"));
  write_plainly(list, first + "\n{\"image\": \"" + std::string(5000, 'n') + "\", \"label\": 0}");
  CHECK(contains(error_of(Exit::no_input, [&] { describe("jsonl", list); }), list.string() + ":2: nnn"));
  // Each line a split, and each split with a million names of classes.
  std::string many;
  for (int i = 0; i < 5; ++i)
    many += fmt::format("{{\"image\": \"images/0.ppm\", \"label\": {}, \"split\": \"s{}\"}}\n", most_classes - 1, i);
  write_plainly(list, many);
  CHECK(contains(error_of(Exit::bad_data, [&] { describe("jsonl", list); }), "5 splits of 1048576 classes"));
  // Numbers are looked up in no table of names.
  write_plainly(list, fmt::format("{{\"image\": \"images/0.ppm\", \"label\": {}}}", most_classes - 1));
  const manifest::Split numbered = describe("jsonl", list).split("train");
  const std::uint64_t before = core::peak_memory();
  CHECK(open_split(numbered)->label(0) == most_classes - 1);
  CHECK(core::peak_memory() < before + (std::uint64_t{32} << 20));
  write_plainly(list, R"({"image": "images/0.ppm", "label": 5})");  // since it was described
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "label 5"));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("jsonl", folder / "no.jsonl"); }), "no.jsonl"));
}

TEST_CASE("a subset is the samples it lists, in its order; a list that cannot be is refused by name") {
  const test::Folder folder;
  write_pictures(folder.path(), 3);
  manifest::Split split = describe("folder", folder / "images").split("train");
  const fs::path list = folder / "few.json";
  split.subset = manifest::File{list, ""};
  split.count = 2;
  write_plainly(list, "[2, 0]");
  const auto source = open_split(split);
  REQUIRE(source->size() == 2);
  CHECK(source->name(0) == "images/2.ppm");
  CHECK(content_of(*source, 1) == picture(0));
  for (const char* text : {"", "[", "{}", "[1.5, 0]", "[\"1\", 0]", "[3, 0]", "[-1, 0]", "[18446744073709551615, 0]"}) {
    write_plainly(list, text);
    CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), list.string()));
  }
  write_plainly(list, "[1]");
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "holds 1 samples, but its manifest says 2"));
  fs::remove(list);
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(split); }), list.string()));
}

}  // namespace selfsight::data
