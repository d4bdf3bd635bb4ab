// The loader: what a batch holds depends on plan, seed and epoch alone; and what it does when something goes wrong.
#include "data/loader.h"

#include "core/rng.h"
#include "unit/support.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace selfsight::data {
namespace {

using namespace std::chrono_literals;

/// Images in memory that take different times to read; reading `broken` throws.
class Memory final : public Source {
 public:
  explicit Memory(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      Image& image = images_.emplace_back(10 + i % 3, 12, 3);
      core::Rng rng(static_cast<std::uint64_t>(i), core::Stream::test);
      for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(rng.below(256));
    }
  }
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(images_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return index % 5; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return "memory#" + std::to_string(index); }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    ++reads;
    std::this_thread::sleep_for(delay * (1 + index * 7 % 5));
    if (index == broken) throw std::runtime_error("the disk is on fire");
    const Image& image = images_[static_cast<std::size_t>(index)];
    Stored stored;
    stored.bytes = std::as_bytes(std::span(image.pixels));
    stored.height = image.height, stored.width = image.width, stored.channels = 3;
    return stored;
  }
  [[nodiscard]] const Image& image(std::int64_t index) const { return images_[static_cast<std::size_t>(index)]; }

  std::int64_t broken = -1;
  std::chrono::microseconds delay{0};
  mutable std::atomic<std::int64_t> reads{0};

 private:
  std::vector<Image> images_;
};

/// Photographs in memory, as JPEG files.
class Photos final : public Source {
 public:
  explicit Photos(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      Image image(90 + 7 * i, 130 - 5 * i, 3);
      for (std::int64_t y = 0; y < image.height; ++y)
        for (std::int64_t x = 0; x < 3 * image.width; ++x) image.row(y)[x] = static_cast<std::uint8_t>((x * (2 + i) + y * y / 3) % 256);
      files_.push_back(encode_jpeg(image, 90));
    }
  }
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t) const override { return -1; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return "photo#" + std::to_string(index); }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    Stored stored;
    stored.bytes = files_[static_cast<std::size_t>(index)];
    return stored;
  }

 private:
  std::vector<std::vector<std::byte>> files_;
};

const std::vector<ViewSpec> two_views = {{simclr_recipe(8), false}, {byol_recipes(6)[1], true}};

LoaderOptions options_of(std::int64_t workers, const std::string& on_bad = "fail", double max_bad = 1, std::int64_t prefetch = 3) {
  return {.workers = workers, .prefetch = prefetch, .on_bad = on_bad, .max_bad = max_bad};
}

std::vector<Batch> rest_of(Loader& loader) {
  std::vector<Batch> batches;
  while (const auto batch = loader.next()) batches.push_back(*batch);
  return batches;
}

// A whole epoch (or all from batch `first`), every sample with the mate ten further on.
std::vector<Batch> run(const std::shared_ptr<const Source>& source, const LoaderOptions& options, std::uint64_t seed = 1,
                       std::int64_t epoch = 0, std::int64_t first = 0) {
  EpochPlan plan = shuffled_plan(source->size(), 4, seed, epoch, false);
  for (BatchPlan& batch : plan)
    for (Draw& draw : batch) draw.mate = draw.sample % 2 == 0 ? (draw.sample + 10) % source->size() : -1;
  Loader loader({source}, two_views, seed, options);
  loader.start(plan, epoch, first);
  return rest_of(loader);
}

bool same_view(const ViewBatch& a, const ViewBatch& b) {
  const auto same_geometry = [](const Geometry& one, const Geometry& two) {
    return one.source_height == two.source_height && one.source_width == two.source_width && one.box.x == two.box.x &&
           one.box.y == two.box.y && one.box.width == two.box.width && one.box.height == two.box.height && one.flip == two.flip;
  };
  return a.count == b.count && a.height == b.height && a.width == b.width && a.channels == b.channels && a.pixels == b.pixels &&
         std::equal(a.geometry.begin(), a.geometry.end(), b.geometry.begin(), b.geometry.end(), same_geometry);
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& one, const Batch& two) {
    return one.epoch == two.epoch && one.index == two.index && one.samples == two.samples && one.mates == two.mates &&
           one.labels == two.labels && one.sources == two.sources &&
           std::equal(one.views.begin(), one.views.end(), two.views.begin(), two.views.end(), same_view);
  });
}

// The action on a thread of its own, which must come to an end.
void ends(const std::function<void()>& action) {
  std::packaged_task<void()> task(action);
  std::future<void> done = task.get_future();
  std::thread thread(std::move(task));
  const bool ended = done.wait_for(60s) == std::future_status::ready;
  if (ended)
    thread.join();
  else
    thread.detach();
  REQUIRE(ended);
  done.get();
}

}  // namespace

TEST_CASE("batches are the same bytes for any number of workers") {
  auto source = std::make_shared<Memory>(23);
  source->delay = 20us;
  const std::vector<Batch> one = run(source, options_of(1));
  REQUIRE(one.size() == 6);
  CHECK(same(one, run(source, options_of(2))));
  CHECK(same(one, run(source, options_of(7))));
  CHECK(same(one, run(source, options_of(7, "fail", 1, 1))));
  CHECK(same(one, run(source, options_of(2, "fail", 1, 100))));
}

TEST_CASE("a batch holds the planned samples, made with the numbers of (seed, epoch, sample, view)") {
  const auto source = std::make_shared<Memory>(23);
  const EpochPlan plan = shuffled_plan(23, 4, 9, 3, false);
  const std::vector<Batch> batches = run(source, options_of(3), 9, 3);
  REQUIRE(batches.size() == plan.size());
  for (std::size_t b = 0; b < plan.size(); ++b) {
    const Batch& batch = batches[b];
    CHECK(batch.epoch == 3);
    CHECK(batch.index == static_cast<std::int64_t>(b));
    REQUIRE(batch.samples.size() == plan[b].size());
    for (std::size_t i = 0; i < plan[b].size(); ++i) {
      const std::int64_t sample = plan[b][i].sample, mate = sample % 2 == 0 ? (sample + 10) % 23 : -1;
      CHECK(batch.samples[i] == sample);
      CHECK(batch.mates[i] == mate);
      CHECK(batch.labels[i] == sample % 5);
      CHECK(batch.sources[i] == 0);
      for (std::size_t v = 0; v < 2; ++v) {
        const Image& image = source->image(v == 1 && mate >= 0 ? mate : sample);
        core::Rng rng(9, core::Stream::view, 3, static_cast<std::uint64_t>(sample), v);
        const Drawn drawn = draw(two_views[v].recipe, image.height, image.width, rng);
        Image view;
        apply(image, two_views[v].recipe, drawn, view);
        const auto* pixels = batch.views[v].pixels.data() + i * view.pixels.size();
        CHECK(std::equal(view.pixels.begin(), view.pixels.end(), pixels));
        CHECK(batch.views[v].geometry[i].box.width == drawn.geometry.box.width);
        CHECK(batch.views[v].geometry[i].source_height == image.height);
      }
    }
  }
}

TEST_CASE("of JPEGs only what the views show is decoded, and a batch is what whole pictures give, for any number of workers") {
  const auto photos = std::make_shared<Photos>(9);
  const std::vector<ViewSpec> views = {{simclr_recipe(40)}, {byol_recipes(24)[1], true}, {Recipe{.size = 48, .scale_max = 0.4}}};
  const auto batches_of = [&](std::int64_t workers, std::int64_t first = 0) {
    Loader loader({photos}, views, 3, options_of(workers));
    EpochPlan plan = shuffled_plan(9, 3, 3, 1, false);
    for (BatchPlan& batch : plan)
      for (Draw& draw : batch) draw.mate = draw.sample % 2 == 0 ? (draw.sample + 4) % 9 : -1;
    loader.start(plan, 1, first);
    return rest_of(loader);
  };
  const std::vector<Batch> batches = batches_of(1);
  REQUIRE(batches.size() == 3);
  CHECK(same(batches, batches_of(2)));
  CHECK(same(batches, batches_of(7)));
  CHECK(same({batches[1], batches[2]}, batches_of(2, 1)));
  for (const Batch& batch : batches)
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t v = 0; v < views.size(); ++v) {
        const std::int64_t mate = batch.mates[i], shown = views[v].of_mate && mate >= 0 ? mate : batch.samples[i];
        const Image whole = decode(photos->read(shown), 3, "photo");
        core::Rng rng(3, core::Stream::view, 1, static_cast<std::uint64_t>(batch.samples[i]), v);
        const Drawn drawn = draw(views[v].recipe, whole.height, whole.width, rng);
        Image view;
        apply(whole, views[v].recipe, drawn, view);
        // The last view is too large for a reduced picture, and the views of one picture share it; mates stand alone.
        const auto* pixels = batch.views[v].pixels.data() + i * view.pixels.size();
        if (shown == batch.samples[i]) CHECK(std::equal(view.pixels.begin(), view.pixels.end(), pixels));
        CHECK(batch.views[v].geometry[i].source_height == whole.height);
        CHECK(batch.views[v].geometry[i].box.x == drawn.geometry.box.x);
      }
}

TEST_CASE("an epoch goes on where it was left") {
  const auto source = std::make_shared<Memory>(23);
  const std::vector<Batch> whole = run(source, options_of(2));
  for (std::int64_t skipped = 0; skipped <= 6; ++skipped) {
    const std::vector<Batch> rest(whole.begin() + skipped, whole.end());
    CHECK(same(rest, run(source, options_of(2), 1, 0, skipped)));
  }
  CHECK(run(source, options_of(2), 1, 0, 99).empty());
}

TEST_CASE("a start ends what was under way and leaves nothing of it") {
  auto source = std::make_shared<Memory>(40);
  source->delay = 50us;
  const auto fresh = [&](std::int64_t epoch) {
    Loader loader({source}, two_views, 4, options_of(3));
    loader.start(shuffled_plan(40, 8, 4, epoch, true), epoch);
    return rest_of(loader);
  };
  Loader loader({source}, two_views, 4, options_of(3));
  test::error_of(core::Exit::internal, [&] { loader.next(); });
  for (std::int64_t epoch = 0; epoch < 6; ++epoch) {
    loader.start(shuffled_plan(40, 8, 4, epoch, true), epoch);
    for (std::int64_t taken = 0; taken < epoch % 3; ++taken) loader.next();
  }
  loader.start(shuffled_plan(40, 8, 4, 6, true), 6);
  CHECK(same(rest_of(loader), fresh(6)));
  CHECK(loader.next() == nullptr);
  CHECK_FALSE(same(fresh(6), fresh(7)));
  test::error_of(core::Exit::internal, [&] { loader.start({{Draw{.sample = 40}}}, 0); });
  test::error_of(core::Exit::internal, [&] { loader.start({{Draw{.sample = 0, .source = 1}}}, 0); });
}

TEST_CASE("other epochs, seeds and repeats give other views of the same sample") {
  const auto source = std::make_shared<Memory>(8);
  const auto view_of = [&](std::uint64_t seed, std::int64_t epoch, std::int32_t repeat, std::int32_t from) {
    Loader loader({source, source}, two_views, seed, options_of(1));
    loader.start({{Draw{.sample = 3, .source = from, .repeat = repeat}}}, epoch);
    return loader.next()->views[0].pixels;
  };
  const auto one = view_of(1, 0, 0, 0);
  CHECK(one == view_of(1, 0, 0, 0));
  CHECK(one != view_of(2, 0, 0, 0));
  CHECK(one != view_of(1, 1, 0, 0));
  CHECK(one != view_of(1, 0, 1, 0));
  CHECK(one != view_of(1, 0, 0, 1));
  CHECK(run(source, options_of(1), 1, 0)[0].samples != run(source, options_of(1), 1, 1)[0].samples);
  CHECK(run(source, options_of(1), 1, 0)[0].samples != run(source, options_of(1), 2, 0)[0].samples);
}

TEST_CASE("batches that are held keep their bytes, also after the loader is gone") {
  auto source = std::make_shared<Memory>(40);
  std::vector<std::shared_ptr<const Batch>> held;
  std::vector<Batch> copies;
  {
    Loader loader({source}, two_views, 1, options_of(2, "fail", 1, 1));
    loader.start(shuffled_plan(40, 4, 1, 0, true), 0);
    while (auto batch = loader.next()) {
      copies.push_back(*batch);
      held.push_back(std::move(batch));
    }
  }
  std::vector<Batch> now;
  for (const auto& batch : held) now.push_back(*batch);
  CHECK(now.size() == 10);
  CHECK(same(now, copies));
}

TEST_CASE("no more is read ahead than the ring holds") {
  auto source = std::make_shared<Memory>(200);
  Loader loader({source}, {two_views[0]}, 1, options_of(4, "fail", 1, 2));
  loader.start(shuffled_plan(200, 5, 1, 0, true), 0);
  std::this_thread::sleep_for(100ms);
  CHECK(source->reads <= 10);
  loader.next();
  std::this_thread::sleep_for(100ms);
  CHECK(source->reads <= 15);
}

TEST_CASE("a loader that is dropped ends at once, whatever it was doing") {
  const auto drop = [](std::int64_t taken, bool started, std::int64_t broken) {
    auto source = std::make_shared<Memory>(400);
    source->delay = 100us;
    source->broken = broken;
    Loader loader({source}, two_views, 1, options_of(4));
    if (started) loader.start(shuffled_plan(400, 16, 1, 0, true), 0);
    for (std::int64_t i = 0; i < taken; ++i) loader.next();
  };
  ends([&] { drop(0, false, -1); });
  ends([&] { drop(0, true, -1); });
  ends([&] { drop(2, true, -1); });
  ends([&] { drop(25, true, -1); });
  ends([&] { drop(0, true, shuffled_plan(400, 16, 1, 0, true)[0][3].sample); });
}

}  // namespace selfsight::data
