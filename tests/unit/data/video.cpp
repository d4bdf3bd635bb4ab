// Videos by frame number and by time. Frame N of most fixtures shows its number in bars (tests/data/videos/make.sh).
#include "data/video.h"

#include "core/rng.h"
#include "data/video_index.h"
#include "unit/data/support.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;

fs::path fixture(const std::string& name) { return fs::path(SELFSIGHT_TEST_DATA) / "data" / "videos" / name; }

std::int64_t number_shown(const Image& image) {
  std::int64_t number = 0;
  for (std::int64_t bar = 0; bar < 8; ++bar) number += image.row(24)[(8 * bar + 4) * 3] > 128 ? 1 << bar : 0;
  return number;
}

Numbers numbers_shown(const std::vector<Image>& images) {
  Numbers out;
  for (const Image& image : images) out.push_back(number_shown(image));
  return out;
}

Numbers all_of(const Video& video) {
  Numbers out(static_cast<std::size_t>(video.frames()));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

// A copy of a fixture whose bytes `change` has changed.
fs::path changed(const test::Folder& folder, const std::string& name, const std::function<void(std::string&)>& change) {
  std::string bytes = core::read_text(fixture(name));
  change(bytes);
  test::write_plainly(folder / name, bytes);
  return folder / name;
}

const Texts bars = {"b-frames.mp4", "b-frames.avi", "open-gop.mkv", "varying-rate.mp4",
                    "stream.h264",  "transport.ts", "program.mpg",  "vp8.webm"};

}  // namespace

TEST_CASE("frames are numbered as they are shown, in every container") {
  for (const std::string& name : bars) {
    CAPTURE(name);
    const auto video = open_video(fixture(name));
    REQUIRE(video->frames() == 40);
    Numbers order = all_of(*video);
    CHECK(numbers_shown(video->images(order)) == order);
    core::Rng(3, core::Stream::test).shuffle(order);
    for (const std::int64_t frame : order) CHECK(numbers_shown(video->images(Numbers{frame})) == Numbers{frame});
    CHECK(numbers_shown(video->images(Numbers{39, 0, 7, 7, 13, 12})) == Numbers{39, 0, 7, 7, 13, 12});
  }
}

TEST_CASE("frames that an edit list cuts off are not counted") {
  const auto video = open_video(fixture("edit-list.mp4"));
  REQUIRE(video->frames() == 34);
  Numbers expected(34);
  std::iota(expected.begin(), expected.end(), 6);
  CHECK(numbers_shown(video->images(all_of(*video))) == expected);
  CHECK(numbers_shown(video->images(Numbers{20, 2, 0})) == Numbers{26, 8, 6});
}

TEST_CASE("a stream that begins in the middle of a group has what can be decoded") {
  const test::Folder folder;
  constexpr std::size_t packet = 188;
  for (const std::size_t cut : {20, 30}) {
    CAPTURE(cut);
    const auto video = open_video(changed(folder, "transport.ts", [&](std::string& bytes) { bytes.erase(0, cut * packet); }));
    const Numbers shown = numbers_shown(video->images(all_of(*video)));
    REQUIRE(shown.size() > 5);
    CHECK(shown.back() == 39);
    CHECK(std::is_sorted(shown.begin(), shown.end()));
    for (std::int64_t frame = 0; frame < video->frames(); ++frame)
      CHECK(number_shown(video->images(Numbers{frame}).front()) == shown[static_cast<std::size_t>(frame)]);
  }
}

TEST_CASE("facts are those of the stream") {
  const VideoFacts facts = open_video(fixture("b-frames.mp4"))->facts();
  CHECK(facts.frames == 40);
  CHECK(facts.rate.numerator == 25);
  CHECK(facts.rate.denominator == 1);
  CHECK(facts.seconds == doctest::Approx(1.6));
  CHECK(facts.height == 48);
  CHECK(facts.width == 64);
  CHECK(facts.codec == "h264");
  CHECK(open_video(fixture("stream.h264"))->facts().seconds == doctest::Approx(1.6));
  CHECK(open_video(fixture("b-frames.avi"))->facts().seconds == doctest::Approx(1.6));
}

TEST_CASE("a time shows the frame that is on the screen then") {
  // Frame N begins at (N + floor(N / 3)) / 25 s: every third is shown for two beats.
  const auto video = open_video(fixture("varying-rate.mp4"));
  for (std::int64_t frame = 0; frame < 40; ++frame) {
    const double begin = static_cast<double>(frame + frame / 3) / 25;
    CHECK(video->time_of(frame) == doctest::Approx(begin));
    CHECK(video->frame_at(begin) == frame);
    CHECK(video->frame_at(begin + 0.039) == frame);
    CHECK(video->frame_at(begin + 0.041) == (frame % 3 == 2 || frame == 39 ? frame : frame + 1));
  }
  CHECK(video->frame_at(-1) == 0);
  CHECK(video->frame_at(1e9) == 39);
  CHECK(numbers_shown(video->images_at(std::vector<double>{0.4, 0.0, 1.0})) == Numbers{8, 0, 19});
  const auto say = test::error_of(core::Exit::bad_data, [&] { (void)video->images_at(std::vector<double>{2.2}); });
  CHECK(test::contains(say, "varying-rate.mp4: has nothing at 2.2 s"));
}

TEST_CASE("times that are not there are those of the rate, and a few odd ones are put right") {
  VideoStream stream{.tick = {1, 100}, .rate = {25, 1}};
  for (std::int64_t i = 0; i < 100; ++i) stream.packets.push_back({.position = i, .shown = 7 + 5 * i, .key = true});
  CHECK(tells_frames(stream));
  CHECK(make_index(stream).times[99] == 495);
  CHECK(make_index(stream).end == 500);
  stream.packets[50].shown = stream.packets[49].shown;
  CHECK_FALSE(tells_frames(stream));
  Numbers order(100);
  std::iota(order.begin(), order.end(), 0);
  VideoIndex index = make_index(stream, order);
  CHECK(Numbers(index.times.begin() + 49, index.times.begin() + 52) == Numbers{245, 246, 255});
  for (std::size_t i = 0; i < 100; i += 2) stream.packets[i].shown.reset();
  CHECK_FALSE(tells_frames(stream));
  index = make_index(stream, order);
  CHECK(static_cast<double>(index.times[99]) * index.tick.value() == doctest::Approx(99.0 / 25));
}

TEST_CASE("only what leads to a frame that is wanted is decoded") {
  // Groups of five packets, whose last is shown before the next key: I B B P | I ... with one leading picture behind each key.
  VideoStream stream{.tick = {1, 25}, .rate = {25, 1}};
  constexpr std::int64_t shown[] = {0, 3, 1, 2, 5, 4, 8, 6, 7, 10, 9, 13, 11, 12};
  for (std::int64_t i = 0; i < 14; ++i)
    stream.packets.push_back({.position = 100 * i, .shown = shown[i], .decoded = i - 2, .key = i == 0 || i == 4 || i == 9});
  const VideoIndex index = make_index(stream);
  REQUIRE(index.seek_points.size() == 3);
  CHECK(index.seek_points[1].frame == 5);
  CHECK(index.reorder == 1);
  const auto text = [&](const Numbers& frames) {
    std::string out;
    for (const DecodeRun& run : runs_for(index, frames))
      out += fmt::format("{}-{}: {}; ", run.from.packet, run.last, fmt::join(run.wanted, " "));
    return out;
  };
  CHECK(text({2}) == "0-3: 3; ");
  CHECK(text({1, 3}) == "0-2: 1 2; ");
  CHECK(text({4}) == "0-5: 5; ");
  CHECK(text({5}) == "4-4: 4; ");
  CHECK(text({0, 4, 5, 9, 10, 11}) == "0-5: 0 5; 4-10: 4 10; 9-12: 9 12; ");
}

TEST_CASE("a file that asks to be turned is turned") {
  const auto video = open_video(fixture("rotated.mp4"));
  const VideoFacts facts = video->facts();
  CHECK(facts.height == 64);
  CHECK(facts.width == 32);
  const Image image = video->images(Numbers{2}).front();
  REQUIRE(image.height == 64);
  // Its blue quarter, top left as it is stored, ends up at the bottom left: 90 degrees against the clock.
  CHECK(image.row(56)[8 * 3 + 2] > 200);
  for (const auto& [y, x] : {std::pair{8, 8}, std::pair{8, 24}, std::pair{56, 24}}) CHECK(image.row(y)[x * 3] > 200);
}

TEST_CASE("colours follow the matrix and the range of the stream") {
  for (const char* name : {"colour-bt601-tv.mp4", "colour-bt601-pc.mp4", "colour-bt709-tv.mp4", "colour-bt709-pc.mp4"}) {
    CAPTURE(name);
    const Image image = open_video(fixture(name))->images(Numbers{0}).front();
    constexpr int expected[] = {0xC8, 0x3C, 0x28};
    for (int c = 0; c < 3; ++c) CHECK(std::abs(image.row(16)[16 * 3 + c] - expected[c]) <= 3);
  }
}

TEST_CASE("rows that are no whole vectors are right to their ends") {
  const Image image = open_video(fixture("odd-width.mp4"))->images(Numbers{1}).front();
  REQUIRE(image.width == 50);
  int wrong = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    wrong += std::abs(image.pixels[i] - (i % 3 == 0 ? 0xC8 : i % 3 == 1 ? 0x3C : 0x28)) > 4 ? 1 : 0;
  CHECK(wrong == 0);
}

TEST_CASE("a frame that is not there is refused by name and number") {
  const auto video = open_video(fixture("b-frames.mp4"));
  for (const std::int64_t frame : {std::int64_t{40}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    const auto say = test::error_of(core::Exit::bad_data, [&] { (void)video->images(Numbers{frame}); });
    CHECK(test::contains(say, "b-frames.mp4: has no frame " + std::to_string(frame) + ": it has 40"));
  }
}

TEST_CASE("what is no video is refused with a reason") {
  const test::Folder folder;
  const auto refused = [&](const fs::path& file, const std::string& why, core::Exit exit = core::Exit::bad_data) {
    const auto say = test::error_of(exit, [&] { (void)index_video(file); });
    CHECK(test::contains(say, file.string() + ": "));
    CHECK(test::contains(say, why));
  };
  refused(folder / "nowhere.mp4", "no such file", core::Exit::no_input);
  refused(folder.path(), "no such file", core::Exit::no_input);
  test::write_plainly(folder / "empty.mp4", "");
  refused(folder / "empty.mp4", "not a video that can be opened");
  test::write_plainly(folder / "text.mp4", "#EXTM3U\n#EXTINF:1,\nb-frames.mp4\n#EXT-X-ENDLIST\n");
  refused(folder / "text.mp4", "not a video that can be opened");
  test::write_plainly(folder / "picture.mp4", text_of(encode_png(noise(1))));
  refused(folder / "picture.mp4", "not a video that can be opened");
  for (const char* name : {"sound-only.mp4", "cover.mp4"}) refused(fixture(name), "has no video stream");
  for (const char* name : {"b-frames.mp4", "b-frames.avi", "open-gop.mkv", "vp8.webm"})
    refused(changed(folder, name, [](std::string& bytes) { bytes.resize(bytes.size() * 3 / 4); }), "cut off");
  // A recorder that was stopped leaves a Matroska file that does not know its size: whole as long as no part of it is cut.
  const auto unfinished = [](std::string& bytes) {
    bytes.replace(bytes.find("\x18\x53\x80\x67") + 4, 8, "\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
  };
  CHECK(index_video(changed(folder, "vp8.webm", unfinished))->frames() == index_video(fixture("vp8.webm"))->frames());
  refused(changed(folder, "vp8.webm",
                  [&](std::string& bytes) {
                    unfinished(bytes);
                    bytes.resize(1248);
                  }),
          "damaged: File ended prematurely");
  // The table of contents of an MP4 file that was not finished is missing.
  refused(changed(folder, "varying-rate.mp4", [](std::string& bytes) { bytes.resize(bytes.size() / 2); }), "moov atom not found");
}

TEST_CASE("enormous sizes are refused before anything is made of them") {
  const test::Folder folder;
  const auto say = test::error_of(core::Exit::bad_data, [&] {
    (void)index_video(changed(folder, "b-frames.avi", [](std::string& bytes) {
      // A codec whose pictures have no size of their own, and BITMAPINFOHEADER: its size, width, height.
      for (std::size_t at = 0; (at = bytes.find("FMP4", at)) != std::string::npos;) bytes.replace(at, 4, "CRAM");
      const std::size_t format = bytes.find("strf") + 8;
      for (const std::size_t at : {format + 4, format + 8}) bytes.replace(at, 4, std::string("\xFF\x7F\0\0", 4));
    }));
  });
  CHECK(test::contains(say, "32767"));
}

TEST_CASE("a damaged packet spoils the frames that need it and no others") {
  const test::Folder one, other;
  const auto index = index_video(fixture("b-frames.mp4"));
  REQUIRE(index->seek_points.size() == 4);
  const auto damaged = [&](const test::Folder& folder, std::size_t group, std::size_t offset, std::size_t length) {
    const std::size_t at = static_cast<std::size_t>(index->seek_points[group].position) + offset;
    return open_video(changed(folder, "b-frames.mp4", [&](std::string& bytes) {
      for (std::size_t i = at; i < at + length; ++i) bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
    }));
  };
  const auto spoilt = [&](Video& video, std::int64_t frame) {
    const auto say = test::error_of(core::Exit::bad_data, [&] { (void)video.images(Numbers{frame}); });
    return test::contains(say, "b-frames.mp4: frame " + std::to_string(frame) + " cannot be decoded: ");
  };
  // The key of the second group is not to be made out at all; that of the third is patched up by the decoder.
  const auto lost = damaged(one, 1, 4, 60), patched = damaged(other, 2, 39, 3);
  for (const std::int64_t frame : {12, 16, 23}) CHECK(spoilt(*lost, frame));
  for (const std::int64_t frame : {24, 30, 35}) CHECK(spoilt(*patched, frame));
  for (const std::int64_t frame : {0, 11, 36, 39}) {
    CHECK(numbers_shown(lost->images(Numbers{frame})) == Numbers{frame});
    CHECK(numbers_shown(patched->images(Numbers{frame})) == Numbers{frame});
  }
  CHECK(numbers_shown(lost->images(Numbers{24, 30})) == Numbers{24, 30});
}

TEST_CASE("a folder of frames is a video") {
  const test::Folder folder;
  for (const int number : {1, 2, 9, 10, 11, 100})
    test::write_plainly(folder / ("frame" + std::to_string(number) + ".ppm"), picture(static_cast<std::uint64_t>(number)));
  test::write_plainly(folder / "notes.txt", "no frame");
  const auto video = open_frames(folder.path(), {2, 1});
  REQUIRE(video->frames() == 6);
  const std::vector<Image> images = video->images(Numbers{5, 0, 3});
  CHECK(images[0].pixels == noise(100).pixels);
  CHECK(images[1].pixels == noise(1).pixels);
  CHECK(images[2].pixels == noise(10).pixels);
  CHECK(video->frame_at(1.2) == 2);
  CHECK(video->time_of(6) == 3);
  CHECK(video->facts().height == 3);
  CHECK(video->facts().codec == "frames");
  test::write_plainly(folder / "frame12.ppm", text_of(encode_pnm(noise(12, 5, 4))));
  const auto mixed = open_frames(folder.path(), {2, 1});
  const auto say = test::error_of(core::Exit::bad_data, [&] { (void)mixed->images(Numbers{0, 5}); });
  CHECK(test::contains(say, "frame12.ppm: 5 x 4 pixels, but frame1.ppm has 3 x 4"));
  const test::Folder empty;
  CHECK(test::contains(test::error_of(core::Exit::bad_data, [&] { (void)open_frames(empty.path(), {25, 1}); }), "no frames"));
  test::error_of(core::Exit::no_input, [&] { (void)open_frames(folder / "nowhere", {25, 1}); });
}

}  // namespace selfsight::data
