// Foreign tars by an index: samples as they lie, labels of every kind, and errors that name the tar and the member.
#include "core/log.h"
#include "data/shard_names.h"
#include "data/shards.h"
#include "data/tar_index.h"
#include "unit/data/support.h"
#include "unit/data/tars.h"

#include <nlohmann/json.hpp>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using test::contains;
using test::error_of;
using test::write_plainly;

const Files first = {{"a/0.ppm", picture(0)}, {"a/0.cls", "1"}, {"a/1.cls", " 0\n"}, {"a/1.ppm", picture(1)}, {"a/1.txt", "a cat"}};
const Files second = {{"2.cls", "1"}, {"2.ppm", picture(2)}};

/// A folder of tars and what they are indexed as.
struct Tars {
  test::Folder folder;
  TarIndexOptions options;

  Tars() = default;
  explicit Tars(const Files& one) { add("one.tar", one); }
  void add(const std::string& name, const Files& files) const { write_plainly(folder / name, tar_of(files)); }
  manifest::Dataset index(const Texts& names = {"one.tar"}, const fs::path& manifest = {}) const {
    Texts paths;
    for (const std::string& name : names) {
      const std::size_t equals = name.find('=') + 1;
      paths.push_back(name.substr(0, equals) + (folder / name.substr(equals)).string());
    }
    const test::Redirect quiet(STDERR_FILENO, folder / "log");
    return index_tars(paths, options, manifest, false);
  }
  [[nodiscard]] std::string refusal(const Texts& names = {"one.tar"}) const {
    const std::string message = error_of(Exit::bad_data, [&] { index(names); });
    CHECK_FALSE(fs::exists(folder / "train.index.safetensors"));
    return message;
  }
};

}  // namespace

TEST_CASE("webdataset: members of one stem are a sample, wherever they lie in the tar; nothing is copied") {
  Tars tars;
  tars.add("x-00.tar", first);
  tars.add("x-01.tar", second);
  const manifest::Dataset dataset = tars.index({"x-{00..01}.tar"});
  const manifest::Split& split = dataset.split("train");
  CHECK(split.labels == Texts{"0", "1"});
  CHECK(split.extra == manifest::Json{{"passed_over", {{"txt", 1}}}});
  const auto source = open_split(split);
  REQUIRE(source->size() == 3);
  CHECK(labels_of(*source) == Numbers{1, 0, 1});
  CHECK(shards_of(*source) == Numbers{0, 0, 1});
  CHECK(source->name(0) == "x-00.tar/a/0.ppm");
  CHECK(source->name(2) == "x-01.tar/2.ppm");
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(content_of(*source, i) == picture(static_cast<std::uint64_t>(i)));
    CHECK(source->read(i).owned.empty());
  }
  CHECK(shards_of(*part_of(source, {2, 0})) == Numbers{1, 0});
  // The index beside the tars is found again by itself, and a rerun replaces it by the same.
  const manifest::Dataset again = describe("auto", tars.folder.path());
  CHECK(again.split("train").digest == split.digest);
  CHECK(tars.index({"x-00.tar", "x-01.tar"}).split("train").digest == split.digest);
}

TEST_CASE("webdataset: splits, and indices beside the manifest, of tars that are moved later") {
  Tars tars;
  fs::create_directories(tars.folder / "in");
  tars.add("in/a.tar", first);
  tars.add("in/b.tar", {{"2.cls", "4"}, {"2.ppm", picture(2)}});
  const manifest::Dataset dataset = tars.index({"train=in/a.tar", "val=in/b.tar"}, tars.folder / "out/set.json");
  CHECK(fs::exists(tars.folder / "out/set.val.index.safetensors"));
  CHECK_FALSE(fs::exists(tars.folder / "in/val.index.safetensors"));
  CHECK(dataset.split("train").labels.size() == 5);  // one numbering for all splits
  CHECK(labels_of(*open_split(dataset.split("val"))) == Numbers{4});
  fs::rename(tars.folder / "in", tars.folder / "there");
  manifest::Split moved = dataset.split("val");
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(moved); }), "b.tar"));
  moved.root = tars.folder / "there";
  CHECK(content_of(*open_split(moved), 0) == picture(2));
  write_plainly(tars.folder / "there/val.index.safetensors", "precious");
  CHECK(contains(error_of(Exit::cannot_create, [&] { tars.index({"val=there/b.tar"}); }), "val.index.safetensors"));
}

TEST_CASE("webdataset: labels from json by number or name, or none") {
  Tars tars({{"0.ppm", picture(0)},
             {"0.json", R"({"class": "dog", "id": 2})"},
             {"1.ppm", picture(1)},
             {"1.json", R"({"class": "cat", "id": 0})"}});
  CHECK(tars.index().split("train").labels.empty());
  CHECK(labels_of(*open_split(tars.index().split("train"))) == Numbers{-1, -1});
  tars.options.members.label = "json:class";
  CHECK(tars.index().split("train").labels == Texts{"cat", "dog"});
  CHECK(labels_of(*open_split(tars.index().split("train"))) == Numbers{1, 0});
  tars.options.members.label = "json:id";
  CHECK(labels_of(*open_split(tars.index().split("train"))) == Numbers{2, 0});
  for (const char* wrong : {"json", "json:", "txt"}) {
    tars.options.members.label = wrong;
    CHECK(contains(error_of(Exit::usage, [&] { tars.index(); }), "--label"));
  }
}

TEST_CASE("webdataset: which member is the image") {
  Tars tars({{"0.PPM", picture(0)}, {"0.seg.ppm", picture(5)}});
  CHECK(content_of(*open_split(tars.index().split("train")), 0) == picture(0));
  tars.options.members.image = "seg.ppm";
  CHECK(content_of(*open_split(tars.index().split("train")), 0) == picture(5));
  const Tars two({{"0.ppm", picture(0)}, {"0.pgm", "x"}});
  CHECK(contains(two.refusal(), "one.tar: '0' has several images (ppm, pgm): say which with --image ppm"));
}

TEST_CASE("webdataset: what has no image is no sample, and is listed; an empty shard is told of") {
  Tars tars({{"0.ppm", picture(0)}, {"lost.cls", "1"}, {"README.md", "x"}, {".hidden.ppm", "x"}, {"plain", "x"}});
  tars.add("empty.tar", {});
  const manifest::Split split = tars.index({"one.tar", "empty.tar"}).split("train");
  CHECK(split.count == 1);
  CHECK(split.extra["without_image"] == manifest::Json{{"count", 2}, {"first", {"one.tar/lost", "one.tar/README"}}});
  const std::string log = core::read_text(tars.folder / "log");
  CHECK(contains(log, "2 without an image were passed over: one.tar/lost"));
  CHECK(contains(log, "empty.tar: holds no samples"));
  CHECK(open_split(split)->size() == 1);
  fs::remove(split.files.at("index").path);
  CHECK(contains(tars.refusal({"empty.tar"}), "split 'train' has no images"));
}

TEST_CASE("webdataset: names that are not UTF-8 do no harm in tars, and are refused as paths before anything is written") {
  Tars tars({{"\xFF.ppm", picture(0)}, {"\xFE.cls", "1"}, {"0.\xFD", "x"}});
  const manifest::Dataset dataset = tars.index();
  CHECK(open_split(dataset.split("train"))->name(0) == "one.tar/\xFF.ppm");
  CHECK(contains(manifest::to_json(dataset, {}).dump(), "one.tar/\xEF\xBF\xBD"));
  fs::remove(tars.folder / "train.index.safetensors");
  tars.add("\xFF.tar", second);
  CHECK(contains(tars.refusal({"\xFF.tar"}), "not UTF-8"));
}

TEST_CASE("webdataset: what cannot be read is refused by tar and member, and nothing is written") {
  const std::string ppm = picture(0);
  struct Case {
    std::string what;
    Files files;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"a label that is a word", {{"0.ppm", ppm}, {"0.cls", "cat"}}, "one.tar: 0.cls: 'cat' is no whole number"},
      {"a label with a rest", {{"0.ppm", ppm}, {"0.cls", "1.5"}}, "0.cls: '1.5'"},
      {"an empty label", {{"0.ppm", ppm}, {"0.cls", ""}}, "0.cls: '' is no"},
      {"a label below 0", {{"0.ppm", ppm}, {"0.cls", "-1"}}, "0.cls: -1 is no class number"},
      {"a label that would fill the memory", {{"0.ppm", ppm}, {"0.cls", "1048576"}}, "is no class number"},
      {"a label beyond all numbers", {{"0.ppm", ppm}, {"0.cls", std::string(30, '9')}}, "is no whole number"},
      {"a label that is missing", {{"0.ppm", ppm}, {"0.cls", "1"}, {"1.ppm", ppm}}, "1.ppm has no label: all must agree"},
      {"two members of one name", {{"0.ppm", ppm}, {"0.cls", "1"}, {"0.ppm", ppm}}, "two members are called '0.ppm'"},
      {"names that differ in capitals", {{"0.ppm", ppm}, {"0.PPM", ppm}}, "'0.PPM' but for capital letters"},
      {"a way out", {{"../0.ppm", ppm}}, "'../0.ppm' would leave"},
      {"an absolute name", {{"/0.ppm", ppm}}, "'/0.ppm' would leave"},
      {"no image", {{"0.txt", "x"}}, "split 'train' has no images"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(contains(Tars(c.files).refusal(), c.message));
  }
  Tars json({{"0.ppm", ppm}, {"0.json", R"({"class": "dog"})"}, {"1.ppm", ppm}, {"1.json", R"({"class": 1, "half": 0.5, "none": null})"}});
  for (const auto& [key, message] : {std::pair{"class", "1.ppm has a class number: all must agree"}, {"half", "0.json: has no 'half'"}}) {
    json.options.members.label = std::string("json:") + key;
    CHECK(contains(json.refusal(), message));
  }
  for (const char* text : {"{", "[1]", "7", R"({"k": null})", R"({"k": 0.5})", R"({"k": ""})", R"({"k": -1})"}) {
    CAPTURE(text);
    Tars odd({{"0.ppm", ppm}, {"0.json", text}});
    odd.options.members.label = "json:k";
    CHECK(contains(odd.refusal(), "one.tar: 0.json: "));
  }
  Tars bare({{"0.ppm", ppm}});
  bare.options.members.label = "cls";
  CHECK(contains(bare.refusal(), "one.tar: '0' has no .cls member"));
  Tars whole;
  const std::string good = tar_of(second);
  const auto refusal_of = [&](const std::string& bytes) {
    write_plainly(whole.folder / "one.tar", bytes);
    return whole.refusal();
  };
  CHECK(contains(refusal_of(""), "one.tar: is empty"));
  CHECK(contains(refusal_of("\x1f\x8b\x08" + good), "one.tar: is compressed, so no sample"));
  CHECK(contains(refusal_of("\x28\xb5\x2f\xfd" + good), "(zstd -dk)"));
  CHECK(contains(refusal_of(good.substr(0, good.size() - 1024)), "without an end mark"));
  CHECK(contains(refusal_of(good.substr(0, 1030)), "one.tar: truncated"));
  CHECK(contains(error_of(Exit::no_input, [&] { whole.index({"no.tar"}); }), "no.tar"));
}

TEST_CASE("shards that changed since they were indexed are refused by name, at opening or when the sample is read") {
  Tars tars(first);
  const fs::path tar = tars.folder / "one.tar";
  const manifest::Split split = tars.index().split("train");
  const std::string good = core::read_text(tar);
  const auto refusal = [&](const std::string& bytes) {
    write_plainly(tar, bytes);
    return error_of(Exit::bad_data, [&] { open_split(split); });
  };
  CHECK(contains(refusal(good.substr(0, good.size() - 512)), "one.tar: " + std::to_string(good.size() - 512) + " bytes where"));
  // Of equal length: another first sample, and one that only reading it shows.
  std::string other = good;
  other[136] = '7';
  sign_header(other);
  CHECK(contains(refusal(other), "'one.tar/a/0.ppm' is not at byte 512"));
  other = good;
  const std::size_t at = good.find("a/1.ppm");
  other[at + 136] = '7';
  sign_header(other, at);
  write_plainly(tar, other);
  const auto source = open_split(split);
  CHECK(content_of(*source, 0) == picture(0));
  const std::string message = error_of(Exit::bad_data, [&] { source->read(1); });
  CHECK(contains(message, tar.string() + ": 'one.tar/a/1.ppm' is not at byte " + std::to_string(at + 512)));
  CHECK(contains(message, "train.index.safetensors"));
}

TEST_CASE("names of shards: ranges, lists, splits, list files") {
  CHECK(expand_braces("a.tar") == Texts{"a.tar"});
  CHECK(expand_braces("a-{08..11}") == Texts{"a-08", "a-09", "a-10", "a-11"});
  CHECK(expand_braces("{8..10}") == Texts{"8", "9", "10"});
  CHECK(expand_braces("{a,b}{0..1}") == Texts{"a0", "b0", "a1", "b1"});
  CHECK(expand_braces("x{,.gz}") == Texts{"x", "x.gz"});
  for (const char* wrong : {"{", "a{b", "{}", "{a}", "{1..}", "{..1}", "{3..1}", "{a..c}", "{-1..1}", "{0..1000000}",
                            "{0..999}{0..999}{0..1}", "{0..99999999999999999999}", "{{0..1}}"})
    CHECK(contains(error_of(Exit::usage, [&] { expand_braces(wrong); }), wrong));
  for (const std::string& wrong : {"{" + std::string(1000, '0') + "..9}", std::string(5000, 'a'), [] {
                                     std::string braces;  // each is taken apart inside the one before
                                     for (int i = 0; i < 100'000; ++i) braces += "{a,b}";
                                     return braces;
                                   }()})
    error_of(Exit::usage, [&] { expand_braces(wrong); });
  const test::Folder folder;
  fs::create_directories(folder / "x=y");
  write_plainly(folder / "odd{0}.tar", "");
  write_plainly(folder / "list.txt", "a-{0..1}.tar\r\n\nval=b.tar\n");
  const auto splits = shards_by_split(folder / "list.txt", {(folder / "odd{0}.tar").string(), "val=" + (folder / "x=y/c.tar").string()});
  using Paths = std::vector<fs::path>;
  CHECK(splits.at("train") == Paths{folder / "a-0.tar", folder / "a-1.tar", folder / "odd{0}.tar"});
  CHECK(splits.at("val") == Paths{folder / "b.tar", folder / "x=y/c.tar"});
  CHECK(contains(error_of(Exit::usage, [] { shards_by_split({}, {"a.tar", "val=./a.tar"}); }), "named twice"));
  CHECK(contains(error_of(Exit::usage, [] { shards_by_split({}, {}); }), "no shards"));
}

}  // namespace selfsight::data
