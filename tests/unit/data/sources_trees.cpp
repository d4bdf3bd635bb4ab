// Folders of images, archives of them, and the choice of a format: right items, and errors that name the file.
#include "core/log.h"
#include "core/memory.h"
#include "data/class_tree.h"
#include "unit/data/support.h"
#include "unit/data/tars.h"

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using test::contains;
using test::error_of;
using test::write_plainly;

const Files classes = {{"dog/2.ppm", picture(2)}, {"cat/1.ppm", picture(1)}, {"cat/0.ppm", picture(0)}, {"cat/notes.txt", "no image"}};

// The three pictures of `classes`, in order of their paths.
void check_classes(const manifest::Dataset& dataset, const std::string& split, const Texts& names) {
  const auto source = open_split(dataset.split(split));
  REQUIRE(source->size() == 3);
  CHECK(dataset.split(split).labels == Texts{"cat", "dog"});
  CHECK(labels_of(*source) == Numbers{0, 0, 1});
  CHECK(source->channels() == 3);
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(content_of(*source, i) == picture(static_cast<std::uint64_t>(i)));
    CHECK(source->name(i) == names[static_cast<std::size_t>(i)]);
  }
}

std::string bad(const std::string& format, const fs::path& path) {
  return error_of(Exit::bad_data, [&] { describe(format, path); });
}

}  // namespace

TEST_CASE("folders: class/image, split/class/image, split/image and images alone") {
  const test::Folder folder;
  write_files(folder / "set", classes);
  check_classes(describe("auto", folder / "set"), "train", {"set/cat/0.ppm", "set/cat/1.ppm", "set/dog/2.ppm"});
  write_files(folder / "both/train", classes);
  write_files(folder / "both/test", {{"dog/9.ppm", picture(9)}, {".hidden/x.ppm", ""}});
  const manifest::Dataset both = describe("folder", folder / "both");
  check_classes(both, "train", {"train/cat/0.ppm", "train/cat/1.ppm", "train/dog/2.ppm"});
  CHECK(open_split(both.split("test"))->label(0) == 1);  // one numbering for all splits
  write_files(folder / "plain", {{"train/a.ppm", picture(0)}, {"test/b.PPM", picture(1)}});
  const manifest::Dataset plain = describe("folder", folder / "plain");
  CHECK(plain.splits.size() == 2);
  CHECK(open_split(plain.split("test"))->label(0) == -1);
  CHECK(open_split(describe("folder", folder / "plain/test").split("train"))->size() == 1);
}

TEST_CASE("a folder around the splits is looked through, in folders and in archives") {
  const test::Folder folder;
  const auto around = [](const std::string& outer, const std::string& test_split) {
    Files files = {{outer + test_split + "/dog/9.ppm", picture(9)}, {outer + "README.txt", "x"}};
    for (const auto& [path, content] : classes) files.emplace_back(outer + "train/" + path, content);
    return files;
  };
  write_files(folder / "set", around("photos/", "val"));
  write_files(folder / "deeper", around("data/photos/", "Test"));
  write_gzip(folder / "set.tar.gz", tar_of(around("./photos/", "test")));
  const manifest::Dataset plain = describe("auto", folder / "set"), packed = describe("auto", folder / "set.tar.gz");
  check_classes(plain, "train", {"train/cat/0.ppm", "train/cat/1.ppm", "train/dog/2.ppm"});
  check_classes(packed, "train", {"photos/train/cat/0.ppm", "photos/train/cat/1.ppm", "photos/train/dog/2.ppm"});
  CHECK(plain.splits.size() == 2);
  CHECK(open_split(plain.split("val"))->label(0) == 1);
  CHECK(open_split(packed.split("test"))->label(0) == 1);
  CHECK(open_split(describe("folder", folder / "deeper").split("Test"))->size() == 1);
  // Splits of images alone; and what only looks like a folder around splits.
  write_files(folder / "bare", {{"photos/train/a.ppm", picture(0)}, {"photos/test/b.ppm", picture(1)}});
  CHECK(describe("folder", folder / "bare").split("test").labels.empty());
  write_files(folder / "classes", {{"train/test/a.ppm", picture(0)}, {"train/val/b.ppm", picture(1)}});
  CHECK(describe("folder", folder / "classes").split("train").labels == Texts{"test", "val"});
  write_files(folder / "mixed", {{"photos/train/cat/a.ppm", picture(0)}, {"photos/cats/old/b.ppm", picture(1)}});
  CHECK(describe("folder", folder / "mixed").split("photos").count == 2);
}

TEST_CASE("files that are no images are passed over, and counted where one can see it") {
  const test::Folder folder;
  write_files(folder / "set/train", classes);
  write_files(folder / "set", {{"train/cat/a.HEIC", ""},
                               {"train/cat/b.heic", ""},
                               {"test/dog/9.ppm", picture(9)},
                               {"test/.DS_Store", ""},
                               {"test/dog/._9.ppm", ""},
                               {"LICENSE", ""}});
  manifest::Dataset dataset;
  {
    const test::Redirect log(STDERR_FILENO, folder / "log");
    dataset = describe("folder", folder / "set");
  }
  CHECK(contains(core::read_text(folder / "log"),
                 "set: passed over, being no images by their endings: 2 .heic, 1 without an ending, 1 .txt"));
  CHECK(dataset.split("train").extra["passed_over"] == manifest::Json{{"heic", 2}, {"txt", 1}});
  CHECK_FALSE(dataset.split("test").extra.contains("passed_over"));
  write_plainly(folder / "set.tar", tar_of({{"cat/1.ppm", picture(1)}, {"cat/._1.ppm", "x"}, {"cat/2.raw", "x"}}));
  const manifest::Split packed = describe("auto", folder / "set.tar").split("set");
  CHECK(packed.extra["passed_over"] == manifest::Json{{"raw", 1}});
  CHECK(open_split(packed)->size() == 1);
  write_files(folder / "none", {{"cat/1.heic", ""}, {"cat/2.heic", ""}});
  CHECK(contains(bad("folder", folder / "none"), "there are: 2 .heic"));
}

TEST_CASE("folders: what is no set of images is refused by name") {
  const test::Folder folder;
  fs::create_directories(folder / "empty");
  CHECK(contains(bad("folder", folder / "empty"), (folder / "empty").string() + ": no images"));
  write_files(folder / "hole", classes);
  write_files(folder / "hole", {{"fox/notes.txt", "none"}});
  CHECK(contains(bad("folder", folder / "hole"), "'fox' holds no images"));
  write_files(folder / "deep", {{"cat/0.ppm", picture(0)}, {"1.ppm", picture(1)}});
  CHECK(contains(bad("folder", folder / "deep"), "different depths"));
  write_files(folder / "ring", classes);
  fs::create_directory_symlink(folder / "ring", folder / "ring/cat/again");
  CHECK(contains(bad("folder", folder / "ring"), (folder / "ring").string()));
  write_files(folder / "self", classes);
  fs::create_symlink("loop.ppm", folder / "self/cat/loop.ppm");
  CHECK(contains(error_of(Exit::no_input, [&] { describe("folder", folder / "self"); }), "cat/loop.ppm"));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("folder", folder / "hole/dog/2.ppm"); }), "2.ppm"));
}

TEST_CASE("folders that changed since they were described are noticed") {
  const test::Folder folder;
  write_files(folder.path(), classes);
  const manifest::Split split = describe("folder", folder.path()).split("train");
  write_files(folder.path(), {{"dog/3.ppm", picture(3)}});
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "added, removed or renamed since it was described (4 now)"));
  fs::remove(folder / "dog/2.ppm");  // as many as there were, of the same classes
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "renamed since it was described (3 now)"));
  write_files(folder.path(), {{"fox/3.ppm", picture(3)}});
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "'fox/3.ppm' is in no class"));
  fs::remove_all(folder / "dog");
  fs::remove_all(folder / "cat");
  fs::remove_all(folder / "fox");
  fs::remove_all(folder.path());
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(split); }), folder.path().string()));
}

TEST_CASE("class folders in tar and tar.gz; long names; one archive a split") {
  const test::Folder folder;
  fs::create_directories(folder / "two");
  write_gzip(folder / "two/train.tar.gz", tar_of(classes));
  write_plainly(folder / "two/test.tar", tar_of({{"./dog/9.ppm", picture(9)}}));
  const manifest::Dataset two = describe("auto", folder / "two");
  check_classes(two, "train", {"cat/0.ppm", "cat/1.ppm", "dog/2.ppm"});
  CHECK(open_split(two.split("test"))->label(0) == 1);
  const std::string length(150, 'x');
  write_plainly(folder / "one.tar", tar_of({{"val/" + length + "/0.ppm", picture(0)}, {"train/b/1.ppm", picture(1)}}));
  const manifest::Dataset one = describe("auto", folder / "one.tar");
  CHECK(one.split("val").labels == Texts{"b", length});
  const auto source = open_split(one.split("val"));
  CHECK(source->name(0) == "val/" + length + "/0.ppm");
  CHECK(content_of(*source, 0) == picture(0));
}

TEST_CASE("tar: names and sizes of pax headers, and entries that tell of links or of the whole archive") {
  const test::Folder folder;
  const std::string name = "cat/" + std::string(300, 'y') + ".ppm";
  std::string wrong_size = tar_entry("short", '0', picture(0));
  wrong_size.replace(124, 11, "00000000000");
  sign_header(wrong_size);
  const std::string size = std::to_string(picture(0).size());
  // A link's long target, or what holds for the whole archive, may stand between an entry and its own header.
  write_plainly(folder / "set.tar", pax_record("path", name) + tar_entry("g", 'g', "13 comment=a\n") + tar_entry("short", '0', picture(1)) +
                                        pax_record("path", "cat/0.ppm", pax_text("size", size)) +
                                        tar_entry("k", 'K', std::string(200, 'z')) + wrong_size + std::string(1024, '\0'));
  const auto source = open_split(describe("tar-folders", folder / "set.tar").split("set"));
  REQUIRE(source->size() == 2);
  CHECK(source->name(0) == "cat/0.ppm");
  CHECK(content_of(*source, 0) == picture(0));
  CHECK(source->name(1) == name);
  CHECK(content_of(*source, 1) == picture(1));
}

TEST_CASE("tar: hostile archives are refused by name") {
  const test::Folder folder;
  const fs::path path = folder / "set.tar", packed = folder / "set.tgz";
  const std::string good = tar_of(classes);
  std::string sum = good, size = good, octal = good, huge = good;
  sum[0] = 'x';
  octal[124] = '9';
  size.replace(124, 11, "77777777777");
  sign_header(size);
  sign_header(octal);
  huge.replace(124, 12, "\x80" + std::string(3, '\0') + std::string(8, '\xFF'));  // a binary size of 2^64 - 1
  sign_header(huge);
  std::string wide = good, sparse = good;
  wide.replace(124, 12, "\x80\x01" + std::string(9, '\0') + "\x05");  // 2^80 + 5
  sign_header(wide);
  sparse[156] = 'S';
  sign_header(sparse);
  struct Case {
    std::string what;
    std::string bytes, message;
  };
  const std::vector<Case> cases = {
      {"nothing", "", "empty"},
      {"a text", std::string(2000, 'a'), "no tar archive"},
      {"no blocks", "hello", "truncated"},
      {"no images", tar_of({{"cat/0.txt", "text"}}), "no images"},
      {"no entries", std::string(1024, '\0'), "no images"},
      {"a wrong checksum", sum, "checksum"},
      {"a size in no digits", octal, "damaged"},
      {"a size beyond the end", size, "truncated"},
      {"a size that wraps around", huge, "truncated"},
      {"a size beyond 64 bits", wide, "truncated"},
      {"a sparse file", sparse, "--sparse"},
      {"a name that no system has", tar_of({{std::string(5000, 'x') + ".ppm", picture(0)}}), "a name of 5004 bytes"},
      {"a name with an end inside", pax_record("path", std::string("a/..\0x.ppm", 10)) + good, "zero byte"},
      {"a sparse file of pax", pax_record("GNU.sparse.major", "1") + good, "--sparse"},
      {"two archives in one", good + good, "behind its end mark"},
      {"a damaged pax header", tar_entry("x", 'x', "99 path=a\n") + good, "pax"},
      {"cut in a body", good.substr(0, 520), "truncated"},
      {"cut between entries", good.substr(0, 1024), "without an end mark"},
      {"cut in a header", good.substr(0, 1100), "without an end mark"},
      {"a way out", tar_of({{"../evil.ppm", picture(0)}}), "'../evil.ppm' would leave"},
      {"a way out further in", tar_of({{"cat/../../evil.ppm", picture(0)}}), "would leave"},
      {"a way out by a long name", tar_of({{std::string(120, 'x') + "/../../evil.ppm", picture(0)}}), "would leave"},
      {"an absolute name", tar_of({{"/etc/evil.ppm", picture(0)}}), "would leave"},
      {"images at different depths", tar_of({{"cat/0.ppm", picture(0)}, {"1.ppm", picture(1)}}), "different depths"},
  };
  // A folder for every second letter: the names of all of them together would be half a gigabyte.
  Files deep;
  for (int i = 0; i < 100; ++i) {
    deep.emplace_back(std::to_string(i), picture(0));
    for (int k = 0; k < 2000; ++k) deep.back().first += "/d";
    deep.back().first += "/0.ppm";
  }
  [[maybe_unused]] const std::uint64_t before = core::peak_memory();
  write_plainly(path, tar_entry("empty/", '5', "") + tar_of(deep));
  CHECK(contains(bad("tar-folders", path), "folder 'empty' holds no images"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which keep what was freed
  CHECK(core::peak_memory() < before + (std::uint64_t{64} << 20));
#endif
  write_plainly(path, good);
  const manifest::Split split = describe("tar-folders", path).split("set");
  for (const Case& c : cases) {
    CAPTURE(c.what);
    write_plainly(path, c.bytes);
    const std::string message = bad("tar-folders", path);
    CHECK(contains(message, path.string()));
    CHECK(contains(message, c.message));
    error_of(Exit::bad_data, [&] { open_split(split); });
  }
  write_gzip(packed, good);
  write_plainly(packed, core::read_text(packed).substr(0, 100));
  CHECK(contains(bad("tar-folders", packed), packed.string()));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("tar-folders", folder / "no.tar"); }), "no.tar"));
}

TEST_CASE("a format is recognised, or the error says what there is") {
  const test::Folder folder;
  CHECK(contains(error_of(Exit::usage, [&] { describe("idxx", folder.path()); }), "did you mean 'idx'"));
  CHECK(contains(error_of(Exit::bad_data, [&] { describe("auto", folder.path()); }), folder.path().string()));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("auto", folder / "nowhere"); }), "nowhere"));
  CHECK(contains(error_of(Exit::usage, [&] { describe("folder", {}); }), "path"));
  for (const auto& entry : format_summaries()) {
    const std::string& format = entry.first;
    CAPTURE(format);
    CHECK_FALSE(entry.second.empty());
    if (format != "auto" && format != "cifar10")
      CHECK(contains(error_of(Exit::no_input, [&] { describe(format, folder / "nowhere"); }), "nowhere"));
  }
}

}  // namespace selfsight::data
