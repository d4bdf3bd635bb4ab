// Which frames make a clip.
#include "data/clip.h"

#include "unit/data/support.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace selfsight::data {
namespace {

/// Frames at given times, the last shown for a second; there is nothing to see.
class Times final : public Video {
 public:
  explicit Times(std::vector<double> times) : times_(std::move(times)) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t frames() const override { return static_cast<std::int64_t>(times_.size()); }
  [[nodiscard]] double time_of(std::int64_t frame) const override {
    return frame < frames() ? times_[static_cast<std::size_t>(frame)] : times_.back() + 1;
  }
  [[nodiscard]] std::int64_t frame_at(double seconds) const override {
    const auto after = std::upper_bound(times_.begin(), times_.end(), seconds + 1e-9);
    return std::max<std::int64_t>(after - times_.begin() - 1, 0);
  }
  [[nodiscard]] VideoFacts facts() const override { return {}; }
  [[nodiscard]] std::string digest() const override { return {}; }
  void read(std::span<const std::int64_t> /*frames*/, const FrameSink& /*sink*/) override {}

 private:
  std::string name_ = "times";
  std::vector<double> times_;
};

Times every_second(std::int64_t count) {
  std::vector<double> times;
  for (std::int64_t i = 0; i < count; ++i) times.push_back(static_cast<double>(i));
  return Times(times);
}

Numbers frames_of(const ClipRecipe& recipe, const Video& video, std::int64_t clip = 0, std::uint64_t seed = 1) {
  core::Rng rng(seed, core::Stream::clip);
  return draw_frames(recipe, video, clip, rng);
}

}  // namespace

TEST_CASE("clips in the centre and spaced evenly") {
  const Times video = every_second(20);
  CHECK(frames_of({}, video) == Numbers{9});
  CHECK(frames_of({.frames = 4}, video) == Numbers{8, 9, 10, 11});
  CHECK(frames_of({.frames = 4, .stride = 5}, video) == Numbers{2, 7, 12, 17});
  const ClipRecipe spaced = {.frames = 2, .sampling = "spaced", .stride = 2, .clips = 3};
  CHECK(frames_of(spaced, video, 0) == Numbers{0, 2});
  CHECK(frames_of(spaced, video, 1) == Numbers{8, 10});
  CHECK(frames_of(spaced, video, 2) == Numbers{17, 19});
  CHECK(frames_of({.frames = 2, .sampling = "spaced"}, video) == Numbers{9, 10});
}

TEST_CASE("frames beyond the end are the last one, or start over") {
  const Times video = every_second(3);
  CHECK(frames_of({.frames = 5}, video) == Numbers{0, 1, 2, 2, 2});
  CHECK(frames_of({.frames = 5, .stride = 2, .beyond = "loop"}, video) == Numbers{0, 2, 1, 0, 2});
  CHECK(frames_of({.frames = 5, .rate = 1, .beyond = "loop"}, video) == Numbers{0, 1, 2, 0, 1});
  CHECK(frames_of({.frames = 5, .rate = 1}, video) == Numbers{0, 1, 2, 2, 2});
}

TEST_CASE("a random clip begins at every place that it fits in, each as often") {
  const Times video = every_second(12);
  const ClipRecipe recipe = {.frames = 3, .sampling = "random", .stride = 2};
  std::map<std::int64_t, int> starts;
  for (std::uint64_t seed = 0; seed < 8000; ++seed) {
    const Numbers frames = frames_of(recipe, video, 0, seed);
    CHECK(frames[1] == frames[0] + 2);
    CHECK(frames[2] == frames[0] + 4);
    ++starts[frames[0]];
  }
  CHECK(starts.size() == 8);
  for (const auto& [start, count] : starts) {
    CHECK(start < 8);
    CHECK(std::abs(count - 1000) < 150);
  }
}

TEST_CASE("a rate goes by the times of the frames") {
  // Four frames in the first second, then one a second.
  const Times video({0, 0.25, 0.5, 0.75, 1, 2, 3, 4, 5, 6});
  CHECK(frames_of({.frames = 13, .rate = 2}, video) == Numbers{0, 2, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9});
  CHECK(frames_of({.frames = 3, .rate = 1}, video) == Numbers{5, 6, 7});
  const ClipRecipe recipe = {.frames = 3, .sampling = "random", .rate = 0.5};
  std::set<std::int64_t> starts;
  for (std::uint64_t seed = 0; seed < 200; ++seed) starts.insert(frames_of(recipe, video, 0, seed).front());
  CHECK(starts == std::set<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("segments have one frame each") {
  const Times video = every_second(10);
  CHECK(frames_of({.frames = 5, .sampling = "segments-centre"}, video) == Numbers{1, 3, 5, 7, 9});
  CHECK(frames_of({.frames = 3, .sampling = "segments-centre"}, video) == Numbers{1, 5, 8});
  CHECK(frames_of({.frames = 4, .sampling = "segments-centre"}, every_second(2)) == Numbers{0, 0, 1, 1});
  std::set<std::int64_t> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Numbers frames = frames_of({.frames = 5, .sampling = "segments-random"}, video, 0, seed);
    for (std::int64_t t = 0; t < 5; ++t) {
      CHECK(frames[static_cast<std::size_t>(t)] / 2 == t);
      seen.insert(frames[static_cast<std::size_t>(t)]);
    }
  }
  CHECK(seen.size() == 10);
}

TEST_CASE("the random numbers used do not depend on the video") {
  for (const char* sampling : {"random", "segments-random", "centre"}) {
    const ClipRecipe recipe = {.frames = 4, .sampling = sampling};
    core::Rng one(5, core::Stream::clip), other(5, core::Stream::clip);
    draw_frames(recipe, every_second(3), 0, one);
    draw_frames(recipe, every_second(500), 0, other);
    CHECK(one() == other());
  }
}

}  // namespace selfsight::data
