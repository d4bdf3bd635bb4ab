// The loader's policies for bad items, on a folder with a truncated image, and faults that are none of the data's.
#include "data/loader.h"
#include "unit/data/support.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;

/// Twelve images of two classes; those of `cut` are truncated in ways that a disk or a download leaves behind.
struct Pictures {
  test::Folder folder;
  std::shared_ptr<const Source> source;

  explicit Pictures(const std::set<int>& cut) {
    for (int i = 0; i < 12; ++i) {
      const char* ending = i % 3 == 0 ? "ppm" : i % 3 == 1 ? "jpg" : "png";
      const fs::path path = folder / fmt::format("{}/{:02}.{}", i < 6 ? "cat" : "dog", i, ending);
      fs::create_directories(path.parent_path());
      const Image image = noise(static_cast<std::uint64_t>(i), 9, 9);
      std::vector<std::byte> bytes = i % 3 == 0 ? encode_pnm(image) : i % 3 == 1 ? encode_jpeg(image, 90) : encode_png(image);
      if (cut.contains(i)) bytes.resize(i == 11 ? 0 : bytes.size() * 2 / 3);
      test::write_plainly(path, text_of(bytes));
    }
    source = open_split(describe("folder", folder.path()).split("train"));
  }
};

struct Run {
  std::vector<Batch> batches;
  std::vector<BadItem> bad;
};

Run run(const Pictures& pictures, const std::string& on_bad, double max_bad, std::int64_t workers = 2, std::int64_t batch = 4,
        int epochs = 1) {
  const LoaderOptions options{.workers = workers, .prefetch = 2, .on_bad = on_bad, .max_bad = max_bad};
  Loader loader({pictures.source}, {{simclr_recipe(8)}, {simclr_recipe(6), true}}, 1, options);
  Run out;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    loader.start(sequential_plan(12, batch), epoch);
    while (const auto made = loader.next()) out.batches.push_back(*made);
  }
  out.bad = loader.bad_items();
  return out;
}

std::vector<std::uint8_t> pixels_of(const Batch& batch, std::size_t place) {
  const ViewBatch& view = batch.views[0];
  const auto bytes = static_cast<std::ptrdiff_t>(view.height * view.width * view.channels);
  const auto begin = view.pixels.begin() + static_cast<std::ptrdiff_t>(place) * bytes;
  return {begin, begin + bytes};
}

/// Fails in a way that is not the data's fault.
class Broken final : public Source {
 public:
  explicit Broken(bool ours) : ours_(ours) {}
  [[nodiscard]] std::int64_t size() const override { return 100; }
  [[nodiscard]] std::int64_t label(std::int64_t) const override { return -1; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return std::to_string(index); }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    if (index >= 50 && ours_) core::fail(Exit::internal, "a fault of ours at {}", index);
    if (index >= 50) throw std::runtime_error("the disk is on fire at " + std::to_string(index));
    Stored stored;
    stored.owned.resize(16, std::byte{7});
    stored.bytes = stored.owned;
    stored.height = stored.width = 4, stored.channels = 1;
    return stored;
  }
  [[nodiscard]] std::int64_t channels() const override { return 1; }

 private:
  bool ours_;
};

}  // namespace

TEST_CASE("fail: the batch with a truncated image is refused, and the message names the file") {
  for (const int cut : {6, 7, 8, 11}) {  // PPM, JPEG, PNG, a file without bytes
    const Pictures pictures({cut});
    Loader loader({pictures.source}, {{simclr_recipe(8)}}, 1, {.workers = 3, .on_bad = "fail", .max_bad = 1});
    loader.start(sequential_plan(12, 3), 0);
    for (int batch = 0; batch < cut / 3; ++batch) CHECK(loader.next() != nullptr);
    const std::string message = test::error_of(Exit::bad_data, [&] { loader.next(); });
    CHECK(test::contains(message, pictures.source->name(cut)));
    CHECK(test::contains(message, fmt::format("dog/{:02}.", cut)));
    CHECK(test::contains(message, "--on-bad"));
    CHECK(loader.bad_items().size() == 1);
  }
}

TEST_CASE("skip: the place shows the next good item of its batch") {
  const Pictures pictures({4, 6, 7});
  const Run all = run(pictures, "skip", 0.25);
  REQUIRE(all.batches.size() == 3);
  CHECK(all.batches[0].samples == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(all.batches[1].samples == std::vector<std::int64_t>{5, 5, 5, 5});  // 6 and 7 wrap around to 5
  CHECK(all.batches[1].labels == std::vector<std::int64_t>{0, 0, 0, 0});
  for (std::size_t place = 0; place < 4; ++place) {
    CHECK(pixels_of(all.batches[1], place) == pixels_of(all.batches[1], 1));
    CHECK(all.batches[1].views[0].geometry[place].box.x == all.batches[1].views[0].geometry[1].box.x);
  }
  REQUIRE(all.bad.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(all.bad[i].sample == std::array{4, 6, 7}.at(i));
    CHECK(all.bad[i].name == pictures.source->name(all.bad[i].sample));
    CHECK(test::contains(all.bad[i].reason, all.bad[i].name));
  }
}

TEST_CASE("skip: what is good is as it would be without the bad ones, for any number of workers") {
  const Run whole = run(Pictures({}), "fail", 0);
  CHECK(whole.bad.empty());
  const Pictures pictures({5});
  for (const std::int64_t workers : {1, 2, 7}) {
    const Run all = run(pictures, "skip", 0.25, workers);
    REQUIRE(all.batches.size() == 3);
    CHECK(all.batches[1].samples == std::vector<std::int64_t>{4, 6, 6, 7});
    CHECK(pixels_of(all.batches[1], 1) == pixels_of(whole.batches[1], 2));
    for (const std::size_t place : {0U, 2U, 3U}) CHECK(pixels_of(all.batches[1], place) == pixels_of(whole.batches[1], place));
    for (const std::size_t b : {0U, 2U}) CHECK(all.batches[b].views[1].pixels == whole.batches[b].views[1].pixels);
  }
}

TEST_CASE("skip: a batch without any good item is refused") {
  const Pictures pictures({4, 5});
  const std::string message = test::error_of(Exit::bad_data, [&] { run(pictures, "skip", 1, 2, 2); });
  CHECK(test::contains(message, "no good item"));
  CHECK(test::contains(message, "cat/04.jpg"));
}

TEST_CASE("replace: the place shows another item of the set, the same for any number of workers") {
  const Pictures pictures({1, 4, 11});
  const Run one = run(pictures, "replace", 0.25, 1);
  REQUIRE(one.batches.size() == 3);
  CHECK(one.bad.size() == 3);
  for (const Batch& batch : one.batches) {
    REQUIRE(batch.size() == 4);
    for (std::size_t place = 0; place < 4; ++place) {
      const std::int64_t planned = batch.index * 4 + static_cast<std::int64_t>(place), sample = batch.samples[place];
      const bool was_bad = planned == 1 || planned == 4 || planned == 11;
      CHECK((sample == planned) == !was_bad);
      CHECK((sample != 1 && sample != 4 && sample != 11));
      CHECK(batch.labels[place] == pictures.source->label(sample));
    }
  }
  for (const std::int64_t workers : {2, 7}) {
    const Run other = run(pictures, "replace", 0.25, workers);
    for (std::size_t b = 0; b < 3; ++b) {
      CHECK(other.batches[b].samples == one.batches[b].samples);
      CHECK(other.batches[b].views[0].pixels == one.batches[b].views[0].pixels);
    }
  }
}

TEST_CASE("replace: a set without any good item ends in an error, not in a search for ever") {
  std::set<int> all;
  for (int i = 0; i < 12; ++i) all.insert(i);
  test::error_of(Exit::bad_data, [&] { run(Pictures(all), "replace", 1); });
}

TEST_CASE("a bad mate: the sample stands in for it, or the place counts as bad") {
  const Pictures pictures({7});
  for (const std::string on_bad : {"replace", "skip"}) {
    Loader loader({pictures.source}, {{simclr_recipe(8)}, {simclr_recipe(8), true}}, 1, {.workers = 2, .on_bad = on_bad, .max_bad = 0.1});
    loader.start({{Draw{.sample = 2, .mate = 7}, Draw{.sample = 3, .mate = 1}}}, 0);
    const auto batch = loader.next();
    CHECK(batch->samples == (on_bad == "skip" ? std::vector<std::int64_t>{3, 3} : std::vector<std::int64_t>{2, 3}));
    CHECK(batch->mates == (on_bad == "skip" ? std::vector<std::int64_t>{1, 1} : std::vector<std::int64_t>{-1, 1}));
    REQUIRE(loader.bad_items().size() == 1);
    CHECK(loader.bad_items()[0].sample == 7);
  }
}

TEST_CASE("the share of bad items is enforced, each counted once") {
  const Pictures pictures({2, 9});
  for (const char* on_bad : {"skip", "replace"}) {
    CHECK(run(pictures, on_bad, 2.0 / 12, 2, 4, 3).bad.size() == 2);  // the limit itself is accepted, in every epoch
    const std::string message = test::error_of(Exit::bad_data, [&] { run(pictures, on_bad, 1.9 / 12); });
    CHECK(test::contains(message, "2 of 12"));
    CHECK(test::contains(message, "--max-bad"));
    CHECK(test::contains(message, "cat/02.png"));
    CHECK(test::contains(test::error_of(Exit::bad_data, [&] { run(pictures, on_bad, 0); }), "1 of 12"));
  }
}

TEST_CASE("a file that vanishes is a bad item") {
  const Pictures pictures({});
  fs::remove(pictures.folder / "cat/05.png");
  const Run all = run(pictures, "skip", 0.1);
  REQUIRE(all.bad.size() == 1);
  CHECK(test::contains(all.bad[0].reason, "cat/05.png"));
  CHECK(test::contains(test::error_of(Exit::bad_data, [&] { run(pictures, "fail", 1); }), "cat/05.png"));
}

TEST_CASE("what a worker throws reaches the consumer, at the batch it belongs to") {
  for (const std::string on_bad : {"fail", "skip", "replace"}) {
    for (const bool ours : {false, true}) {
      Loader loader({std::make_shared<Broken>(ours)}, {{eval_recipe(4)}}, 1, {.workers = 4, .on_bad = on_bad, .max_bad = 1});
      loader.start(sequential_plan(100, 20), 0);
      CHECK(loader.next() != nullptr);
      CHECK(loader.next() != nullptr);
      const auto third = [&] { loader.next(); };
      if (ours)
        CHECK(test::contains(test::error_of(Exit::internal, third), "a fault of ours at 50"));
      else
        CHECK_THROWS_WITH_AS(third(), "the disk is on fire at 50", std::runtime_error);
      CHECK(loader.bad_items().empty());
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the program at such a size themselves
TEST_CASE("a batch too large for the memory is an error of next()") {
  Loader loader({std::make_shared<Broken>(false)}, {{eval_recipe(std::int64_t{1} << 25)}}, 1, {.workers = 2});
  loader.start(sequential_plan(100, 1), 0);
  CHECK_THROWS_AS(loader.next(), std::bad_alloc);
}
#endif

}  // namespace selfsight::data
