// Binary sets (idx, CIFAR), subsets and what open_split checks for every format: right items from right files, and an error that
// names the file from any other.
#include "unit/data/support.h"

#include <array>
#include <sstream>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using test::contains;
using test::error_of;
using test::write_plainly;

std::string big(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string idx(const std::vector<std::uint32_t>& shape, const std::string& values) {
  std::string out("\0\0\x08", 3);
  out += static_cast<char>(shape.size());
  for (const std::uint32_t side : shape) out += big(side);
  return out + values;
}

// The most memory this process has asked for, in KiB.
std::int64_t most_memory() {
  std::istringstream status(core::read_text("/proc/self/status"));
  for (std::string word; status >> word;) {
    if (word != "VmPeak:") continue;
    std::int64_t kib = 0;
    status >> kib;
    return kib;
  }
  return 0;
}

// What both describing and opening a changed file must answer.
std::string refused(const std::string& format, const fs::path& path, const manifest::Split& split) {
  const std::string opening = error_of(Exit::bad_data, [&] { open_split(split); });
  const std::string message = error_of(Exit::bad_data, [&] { describe(format, path); });
  CHECK(opening == message);
  return message;
}

/// CIFAR-10's six batches of `count` records; label and pixels follow from the number.
std::string cifar_batch(int batch, int count, bool hundred = false) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    if (hundred) out += static_cast<char>(19);
    out += static_cast<char>(hundred ? 99 - i : (batch + i) % 10);
    out += random_bytes(3072, static_cast<std::uint64_t>(100 * batch + i));
  }
  return out;
}

}  // namespace

TEST_CASE("idx and idx.gz: images, labels, names") {
  const std::string pixels = random_bytes(3 * 4 * 5, 1);
  const test::Folder folder;
  write_plainly(folder / "train-images-idx3-ubyte", idx({3, 4, 5}, pixels));
  write_gzip(folder / "train-labels-idx1-ubyte.gz", idx({3}, std::string("\x02\x00\x01", 3)));
  write_gzip(folder / "t10k-images-idx3-ubyte.gz", idx({1, 4, 5}, pixels.substr(20, 20)));
  const manifest::Dataset dataset = describe("auto", folder.path());
  REQUIRE(dataset.splits.size() == 2);
  const manifest::Split& split = dataset.split("train");
  CHECK(split.image == std::vector<std::int64_t>{4, 5, 1});
  CHECK(split.labels == std::vector<std::string>{"0", "1", "2"});
  CHECK(split.fields == std::vector<std::string>{"image", "label"});
  const auto source = open_split(split);
  REQUIRE(source->size() == 3);
  CHECK(source->channels() == 1);
  CHECK(labels_of(*source) == std::vector<std::int64_t>{2, 0, 1});
  CHECK(source->name(2) == "train-images-idx3-ubyte#2");
  for (std::int64_t i = 0; i < 3; ++i) {
    const Stored stored = source->read(i);
    CHECK(stored.height == 4);
    CHECK(stored.width == 5);
    CHECK(text_of(stored.bytes) == pixels.substr(static_cast<std::size_t>(i) * 20, 20));
  }
  const auto test = open_split(dataset.split("test"));
  CHECK(content_of(*test, 0) == pixels.substr(20, 20));
  CHECK(test->label(0) == -1);
  CHECK(dataset.split("test").labels.empty());
}

TEST_CASE("idx of colour images") {
  const test::Folder folder;
  const std::string pixels = random_bytes(2 * 3 * 2 * 3, 2);
  write_plainly(folder / "train-images-idx4-ubyte", idx({2, 3, 2, 3}, pixels));
  const auto source = open_split(describe("idx", folder.path()).split("train"));
  CHECK(source->channels() == 3);
  const Image image = decode(source->read(1), 3, "it");
  CHECK(std::string(image.pixels.begin(), image.pixels.end()) == pixels.substr(18));
}

TEST_CASE("Fashion-MNIST is what it is known to be") {
  const manifest::Dataset dataset = describe("fashion-mnist", {});
  CHECK(dataset.split("train").count == 60000);
  CHECK(dataset.split("test").count == 10000);
  const auto source = open_split(dataset.split("test"));
  std::array<int, 10> counts{};
  for (const std::int64_t label : labels_of(*source)) ++counts.at(static_cast<std::size_t>(label));
  for (const int count : counts) CHECK(count == 1000);
  CHECK(dataset.split("test").labels[static_cast<std::size_t>(source->label(0))] == "ankle boot");
  CHECK(source->read(9999).bytes.size() == 784);
}

TEST_CASE("idx: hostile files are refused by name") {
  const test::Folder folder;
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte";
  const std::string good = idx({3, 4, 5}, random_bytes(60, 1));
  write_plainly(folder / images, good);
  write_plainly(folder / labels, idx({3}, "\1\1\1"));
  const manifest::Split split = describe("idx", folder.path()).split("train");
  std::string wide = good, other = good;
  other[2] = 0x0D;
  struct Case {
    std::string what;
    std::string bytes, message;
  };
  const std::vector<Case> cases = {
      {"empty", "", "empty"},
      {"a word", "hello", "no idx file"},
      {"three bytes", std::string(3, '\0'), "no idx file"},
      {"floats", other, "0xd"},
      {"one dimension", idx({60}, random_bytes(60, 1)), "1 dimensions"},
      {"cut in its header", good.substr(0, 9), "header"},
      {"cut in its values", good.substr(0, good.size() - 1), "59 bytes"},
      {"a byte too much", good + "x", "61 bytes"},
      {"more images than bytes", idx({4, 4, 5}, random_bytes(60, 1)), "promises more"},
      {"no images", idx({0, 4, 5}, ""), "dimension 0 is 0"},
      {"sizes beyond any memory", idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, random_bytes(60, 1)), "promises more"},
      {"sizes whose product wraps to what is there", idx({1U << 31, 1U << 31, 4}, ""), "promises more"},
  };
  const std::int64_t before = most_memory();
  for (const Case& c : cases) {
    CAPTURE(c.what);
    write_plainly(folder / images, c.bytes);
    const std::string message = refused("idx", folder.path(), split);
    CHECK(contains(message, (folder / images).string()));
    CHECK(contains(message, c.message));
  }
  CHECK(most_memory() - before < 1 << 16);
  write_plainly(folder / images, idx({3, 2, 5, 2}, random_bytes(60, 1)));
  CHECK(contains(refused("idx", folder.path(), split), "2 channels"));
  write_plainly(folder / images, good);
  write_plainly(folder / labels, idx({4}, "\1\1\1\1"));
  CHECK(contains(refused("idx", folder.path(), split), labels + ": 4 labels for the 3 images"));
  fs::remove(folder / images);
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(split); }), images));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("idx", folder.path()); }), folder.path().string()));
}

TEST_CASE("idx.gz: cut and damaged files are refused") {
  const test::Folder folder;
  const fs::path path = folder / "train-images-idx3-ubyte.gz";
  write_gzip(path, idx({30, 28, 28}, random_bytes(30 * 784, 1)));
  const std::string good = core::read_text(path);
  const manifest::Split split = describe("idx", folder.path()).split("train");
  std::string flipped = good;
  flipped[good.size() - 6] = static_cast<char>(flipped[good.size() - 6] ^ 1);  // in the checksum
  for (const std::string& bytes : {good.substr(0, good.size() / 2), good.substr(0, 12), good.substr(0, good.size() - 4), flipped}) {
    write_plainly(path, bytes);
    CHECK(contains(refused("idx", folder.path(), split), path.string()));
  }
  write_gzip(path, "");
  CHECK(contains(refused("idx", folder.path(), split), path.string()));
}

TEST_CASE("CIFAR-10: records of all batches in order, planes to pixels") {
  const test::Folder folder;
  for (int b = 1; b <= 5; ++b) write_plainly(folder / fmt::format("data_batch_{}.bin", b), cifar_batch(b, 3));
  write_plainly(folder / "test_batch.bin", cifar_batch(6, 2));
  const manifest::Dataset dataset = describe("auto", folder.path());
  CHECK(dataset.split("test").count == 2);
  const auto source = open_split(dataset.split("train"));
  REQUIRE(source->size() == 15);
  CHECK(source->name(7) == "data_batch_3.bin#1");
  CHECK(source->label(7) == 4);
  const Image image = decode(source->read(7), 3, "it");
  const std::string planes = random_bytes(3072, 301);
  for (const std::size_t at : {0U, 33U, 1023U})
    for (std::size_t c = 0; c < 3; ++c) CHECK(image.pixels[3 * at + c] == static_cast<std::uint8_t>(planes[1024 * c + at]));
}

TEST_CASE("CIFAR-100 reads the fine label") {
  const test::Folder folder;
  write_plainly(folder / "train.bin", cifar_batch(1, 2, true));
  const auto source = open_split(describe("auto", folder.path()).split("train"));
  CHECK(labels_of(*source) == std::vector<std::int64_t>{99, 98});
  CHECK(content_of(*source, 1) == random_bytes(3072, 101));
}

TEST_CASE("CIFAR: hostile batches are refused by name") {
  const test::Folder folder;
  for (int b = 1; b <= 5; ++b) write_plainly(folder / fmt::format("data_batch_{}.bin", b), cifar_batch(b, 3));
  const manifest::Split split = describe("cifar-bin", folder.path()).split("train");
  const std::string good = cifar_batch(4, 3);
  for (const std::string& bytes : {std::string(), good.substr(0, good.size() - 1), std::string("hello"), good + good.substr(0, 3072)}) {
    write_plainly(folder / "data_batch_4.bin", bytes);
    CHECK(contains(refused("cifar-bin", folder.path(), split), "data_batch_4.bin"));
  }
  write_plainly(folder / "data_batch_4.bin", "\x0A" + good.substr(1));
  CHECK(contains(refused("cifar-bin", folder.path(), split), "data_batch_4.bin: record 0 has label 10"));
  write_plainly(folder / "data_batch_4.bin", good + good);  // whole, but not what was described
  CHECK(contains(error_of(Exit::bad_data, [&] { open_split(split); }), "holds 18 samples, but its manifest says 15"));
  fs::remove(folder / "data_batch_4.bin");
  CHECK(contains(error_of(Exit::no_input, [&] { open_split(split); }), "data_batch_4.bin"));
  CHECK(contains(error_of(Exit::no_input, [&] { describe("cifar-bin", folder.path()); }), "data_batch_4.bin"));
}

}  // namespace selfsight::data
