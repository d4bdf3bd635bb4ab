// Batches of clips: the guarantees of the loader for videos.
#include "core/registry.h"
#include "data/loader.h"
#include "data/source_video.h"
#include "unit/data/support.h"

#include <algorithm>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;

const std::vector<ViewSpec> two_views = {{simclr_recipe(16), false, {.frames = 4, .sampling = "random", .stride = 3}},
                                         {simclr_recipe(12), true, {.frames = 3, .sampling = "segments-random"}}};

// Five files, of which one is damaged when asked for, and two folders of frames.
struct Clips {
  test::Folder folder;
  std::shared_ptr<const Source> source;
  explicit Clips(bool damaged = false) {
    for (const char* name : {"b-frames.mp4", "b-frames.avi", "open-gop.mkv", "varying-rate.mp4", "vp8.webm"})
      fs::copy_file(fs::path(SELFSIGHT_TEST_DATA) / "data" / "videos" / name, folder / name);
    for (std::uint64_t frame = 0; frame < 6; ++frame)
      for (const std::uint64_t folder_number : {1, 2})
        write_files(folder.path(), {{fmt::format("frames{}/{:03}.ppm", folder_number, frame),
                                     text_of(encode_pnm(noise(100 * folder_number + frame, 30, 40)))}});
    if (damaged) test::write_plainly(folder / "b-frames.avi", "no video");
    source = open_split(describe_videos(folder.path(), 10).split("train"));
  }
};

LoaderOptions options_of(std::int64_t workers, const std::string& on_bad = "fail") {
  return {.workers = workers, .prefetch = 2, .on_bad = on_bad, .max_bad = 1};
}

std::vector<Batch> run(const std::shared_ptr<const Source>& source, const LoaderOptions& options, std::int64_t epoch = 0,
                       std::int64_t first = 0) {
  EpochPlan plan = shuffled_plan(source->size(), 2, 3, epoch, false);
  for (BatchPlan& batch : plan)
    for (Draw& draw : batch) draw.mate = draw.sample % 2 == 0 ? (draw.sample + 3) % source->size() : -1;
  Loader loader({source}, two_views, 3, options);
  loader.start(plan, epoch, first);
  std::vector<Batch> out;
  while (const auto batch = loader.next()) out.push_back(*batch);
  return out;
}

bool same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Batch& one, const Batch& two) {
    return one.samples == two.samples && one.index == two.index &&
           std::equal(one.views.begin(), one.views.end(), two.views.begin(), two.views.end(),
                      [](const ViewBatch& x, const ViewBatch& y) { return x.pixels == y.pixels && x.shown == y.shown; });
  });
}

}  // namespace

TEST_CASE("batches of clips are the same bytes for any number of workers, and go on where they were left") {
  const Clips clips;
  REQUIRE(clips.source->size() == 7);
  const std::vector<Batch> whole = run(clips.source, options_of(1));
  REQUIRE(whole.size() == 4);
  CHECK(same(whole, run(clips.source, options_of(2))));
  CHECK(same(whole, run(clips.source, options_of(7))));
  CHECK(same({whole.begin() + 2, whole.end()}, run(clips.source, options_of(2), 0, 2)));
  CHECK_FALSE(same(whole, run(clips.source, options_of(2), 1)));
}

TEST_CASE("a view of a clip is one draw for all of its frames") {
  const Clips clips;
  for (const Batch& batch : run(clips.source, options_of(2))) {
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      for (std::size_t v = 0; v < 2; ++v) {
        const ViewBatch& view = batch.views[v];
        const std::int64_t shown = v == 1 && batch.mates[i] >= 0 ? batch.mates[i] : batch.samples[i];
        const auto video = clips.source->video(shown);
        core::Rng clip_rng(3, core::Stream::clip, 0, static_cast<std::uint64_t>(batch.samples[i]), v);
        const Numbers frames = draw_frames(two_views[v].clip, *video, 0, clip_rng);
        const auto at = view.shown.begin() + static_cast<std::ptrdiff_t>(i * frames.size());
        CHECK(Numbers(at, at + static_cast<std::ptrdiff_t>(frames.size())) == frames);
        const std::vector<Image> images = video->images(frames);
        core::Rng rng(3, core::Stream::view, 0, static_cast<std::uint64_t>(batch.samples[i]), v);
        const Drawn drawn = draw(two_views[v].recipe, images[0].height, images[0].width, rng);
        CHECK(view.geometry[i].box.width == drawn.geometry.box.width);
        for (std::size_t t = 0; t < frames.size(); ++t) {
          Image expected;
          apply(images[t], two_views[v].recipe, drawn, expected);
          CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(),
                           view.pixels.data() + i * view.sample_bytes() + t * expected.pixels.size()));
        }
      }
    }
  }
}

TEST_CASE("videos that cannot be read are refused, passed over or replaced") {
  const Clips clips(true);
  const std::string say = test::error_of(core::Exit::bad_data, [&] { run(clips.source, options_of(2)); });
  CHECK(test::contains(say, "b-frames.avi: not a video that can be opened"));
  for (const std::string on_bad : {"skip", "replace"}) {
    CAPTURE(on_bad);
    const std::vector<Batch> one = run(clips.source, options_of(1, on_bad));
    CHECK(same(one, run(clips.source, options_of(7, on_bad))));
    for (const Batch& batch : one) {
      for (const std::int64_t sample : batch.samples) CHECK(clips.source->name(sample).find("b-frames.avi") == std::string::npos);
      if (on_bad != "skip" || batch.size() < 2 || batch.samples[0] != batch.samples[1]) continue;
      for (const ViewBatch& view : batch.views) {
        const auto half = static_cast<std::ptrdiff_t>(view.sample_bytes());
        CHECK(std::equal(view.pixels.begin(), view.pixels.begin() + half, view.pixels.begin() + half, view.pixels.end()));
        CHECK(std::equal(view.shown.begin(), view.shown.begin() + view.frames, view.shown.begin() + view.frames, view.shown.end()));
      }
    }
  }
}

TEST_CASE("spaced clips follow the repeats of a plan, and stills show the frame in the middle") {
  const Clips clips;
  Recipe whole = eval_recipe(16);
  Loader spaced({clips.source}, {{whole, false, {.frames = 2, .sampling = "spaced", .clips = 3}}}, 1, options_of(2));
  BatchPlan plan;
  for (std::int32_t repeat = 0; repeat < 3; ++repeat) plan.push_back({.sample = 1, .repeat = repeat});
  spaced.start({plan}, 0);
  CHECK(spaced.next()->views[0].shown == Numbers{0, 1, 19, 20, 38, 39});

  Loader stills({clips.source}, {{whole}}, 1, options_of(1));
  stills.start({{{.sample = 1}}}, 0);
  const auto batch = stills.next();
  CHECK(batch->views[0].shown == Numbers{19});
  Image expected;
  core::Rng rng(1, core::Stream::view, 0, 1, 0);
  const Image middle = decode(clips.source->read(1), 3, "middle");
  apply(middle, whole, draw(whole, middle.height, middle.width, rng), expected);
  CHECK(batch->views[0].pixels == expected.pixels);
}

TEST_CASE("clips of still images are refused") {
  const test::Folder folder;
  write_files(folder.path(), {{"a.ppm", picture(1)}, {"b.ppm", picture(2)}});
  const std::shared_ptr<const Source> stills = open_split(describe("folder", folder.path()).split("train"));
  const auto say = test::error_of(core::Exit::bad_data, [&] { Loader({stills}, two_views, 1, options_of(1)); });
  CHECK(test::contains(say, "views of 4 frames need videos"));
}

}  // namespace selfsight::data
