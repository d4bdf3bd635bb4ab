// Sets of videos: how they are found, described, opened and checked.
#include "data/check.h"
#include "data/source_video.h"
#include "unit/data/support.h"

#include <algorithm>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& to, const std::string& name) {
  fs::create_directories(to.parent_path());
  fs::copy_file(fs::path(SELFSIGHT_TEST_DATA) / "data" / "videos" / name, to);
}

Texts names_of(const Source& source) {
  Texts out;
  for (std::int64_t i = 0; i < source.size(); ++i) out.push_back(source.name(i));
  return out;
}

}  // namespace

TEST_CASE("videos and folders of frames lie in splits and classes as images do") {
  const test::Folder folder;
  put(folder / "set/train/run/a.mp4", "b-frames.mp4");
  put(folder / "set/train/walk/b.AVI", "b-frames.avi");
  put(folder / "set/test/walk/d.webm", "vp8.webm");
  write_files(folder / "set/train/walk", {{"c/00001.ppm", picture(1)}, {"c/00002.ppm", picture(2)}, {"c/00003.ppm", picture(3)}});
  test::write_plainly(folder / "set/train/walk/notes.txt", "no video");
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { (void)describe("auto", folder / "set"); }), "may be folder or video"));
  const manifest::Dataset set = describe("video", folder / "set");
  REQUIRE(set.splits.size() == 2);
  const manifest::Split& train = set.split("train");
  CHECK(train.format == "video");
  CHECK(train.count == 3);
  CHECK(train.labels == Texts{"run", "walk"});
  CHECK(train.fields == Texts{"video", "label"});
  CHECK(train.extra["frame-rate"] == 24.0);
  CHECK(train.extra["video"]["frames"] == manifest::Json({3, 40}));
  CHECK(train.extra["video"]["codecs"] == manifest::Json({{"frames", 1}, {"h264", 1}, {"mpeg4", 1}}));
  CHECK(train.extra["video"]["bad"] == 0);
  CHECK(train.extra["videos"][2]["name"] == "train/walk/c");
  CHECK(train.extra["videos"][2]["seconds"] == 0.125);
  CHECK(train.extra["videos"][0]["rate"] == "25/1");
  CHECK(train.extra["passed_over"] == manifest::Json({{"txt", 1}}));
  const auto source = open_split(train);
  CHECK(names_of(*source) == Texts{"train/run/a.mp4", "train/walk/b.AVI", "train/walk/c"});
  CHECK(labels_of(*source) == Numbers{0, 1, 1});
  CHECK(source->has_videos());
  CHECK(source->video(0)->frames() == 40);
  CHECK(source->video(2)->frames() == 3);
  // As a still image a video is its middle frame, also in a part of the set.
  const auto part = part_of(source, {2});
  CHECK(part->has_videos());
  CHECK(decode(part->read(0), 3, "").pixels == noise(2).pixels);
  CHECK(part->video(0)->images(Numbers{2}).front().pixels == noise(3).pixels);
}

TEST_CASE("one file, or the frames of one video, is a set of one") {
  const test::Folder folder;
  put(folder / "clip.mp4", "b-frames.mp4");
  CHECK(names_of(*open_split(describe("auto", folder / "clip.mp4").split("train"))) == Texts{"clip.mp4"});
  write_files(folder / "swan", {{"1.ppm", picture(1)}, {"2.ppm", picture(2)}});
  const manifest::Dataset swan = describe_videos(folder / "swan", 12.5);
  CHECK(swan.split("train").extra["videos"][0]["rate"] == "25/2");
  CHECK(open_split(swan.split("train"))->video(0)->time_of(2) == doctest::Approx(0.16));
  CHECK(swan.split("train").image == Numbers{3, 4, 3});
}

TEST_CASE("a video that cannot be read stays a sample, and is told of") {
  const test::Folder folder;
  put(folder / "set/a.mp4", "b-frames.mp4");
  put(folder / "set/sound.mp4", "sound-only.mp4");
  test::write_plainly(folder / "set/text.avi", "hello");
  const manifest::Split split = describe_videos(folder / "set", 25).split("train");
  CHECK(split.count == 3);
  CHECK(split.extra["video"]["bad"] == 2);
  CHECK(test::contains(split.extra["videos"][1]["error"], "sound.mp4: has no video stream"));
  const auto source = open_split(split);
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { (void)source->video(2); }), "text.avi: not a video that can be opened"));
  for (const int threads : {1, 3}) {
    const CheckReport report = check_split(split, threads, [](std::int64_t) {});
    CHECK(report.good == 1);
    REQUIRE(report.bad.size() == 2);
    CHECK(test::contains(report.bad[0].reason, "sound.mp4"));
    CHECK(report.json()["frames"] == manifest::Json({40, 40}));
    CHECK(report.json()["seconds"] == 1.6);
  }
}

TEST_CASE("a check decodes every frame") {
  const test::Folder folder;
  write_files(folder / "set/x", {{"1.ppm", picture(1)}, {"2.ppm", picture(2)}, {"3.ppm", text_of(encode_pnm(noise(3, 9, 9)))}});
  const CheckReport report = check_split(describe_videos(folder / "set", 25).split("train"), 2, [](std::int64_t) {});
  REQUIRE(report.bad.size() == 1);
  CHECK(test::contains(report.bad[0].reason, "3.ppm: 9 x 9 pixels, but 1.ppm has 3 x 4"));
}

TEST_CASE("what is no set of videos is refused") {
  const test::Folder folder;
  test::error_of(core::Exit::no_input, [&] { (void)describe_videos(folder / "nowhere", 25); });
  test::write_plainly(folder / "notes.txt", "no video");
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { (void)describe_videos(folder.path(), 25); }),
                       "no videos (files ending in mp4"));
  put(folder / "set/a.mp4", "b-frames.mp4");
  fs::create_directories(folder / "set/empty");
  CHECK(
      test::contains(test::error_of(core::Exit::bad_data, [&] { (void)describe_videos(folder / "set", 25); }), "'empty' holds no videos"));
}

}  // namespace selfsight::data
