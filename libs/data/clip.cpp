#include "data/clip.h"

#include <algorithm>
#include <cmath>

namespace selfsight::data {
namespace {

bool has_segments(const ClipRecipe& recipe) { return recipe.sampling.starts_with("segments"); }

// Where a clip begins in [0, room]: a share of it, which has one random number at most.
double share(const ClipRecipe& recipe, std::int64_t clip, core::Rng& rng) {
  if (recipe.sampling == "random") return rng.uniform();
  if (recipe.sampling == "spaced" && recipe.clips > 1) return static_cast<double>(clip) / static_cast<double>(recipe.clips - 1);
  return 0.5;
}

std::vector<std::int64_t> segment_frames(const ClipRecipe& recipe, std::int64_t count, core::Rng& rng) {
  std::vector<std::int64_t> out;
  for (std::int64_t t = 0; t < recipe.frames; ++t) {
    const double at = recipe.sampling == "segments-random" ? rng.uniform() : 0.5;
    const double frame = (static_cast<double>(t) + at) * static_cast<double>(count) / static_cast<double>(recipe.frames);
    out.push_back(std::min(static_cast<std::int64_t>(frame), count - 1));
  }
  return out;
}

std::vector<std::int64_t> strided_frames(const ClipRecipe& recipe, std::int64_t count, double at) {
  // Every start from the first to the last that fits has its equal part of [0, 1).
  const std::int64_t span = (recipe.frames - 1) * recipe.stride + 1, last_start = std::max<std::int64_t>(count - span, 0);
  const bool random = recipe.sampling == "random";
  const std::int64_t start = std::min(static_cast<std::int64_t>(at * static_cast<double>(last_start + (random ? 1 : 0))), last_start);
  std::vector<std::int64_t> out;
  for (std::int64_t t = 0; t < recipe.frames; ++t) {
    const std::int64_t frame = start + t * recipe.stride;
    out.push_back(recipe.beyond == "loop" ? frame % count : std::min(frame, count - 1));
  }
  return out;
}

std::vector<std::int64_t> timed_frames(const ClipRecipe& recipe, const Video& video, double at) {
  const double whole = video.time_of(video.frames()), last = video.time_of(video.frames() - 1);
  const double length = static_cast<double>(recipe.frames - 1) / recipe.rate, start = at * std::max(last - length, 0.0);
  std::vector<std::int64_t> out;
  for (std::int64_t t = 0; t < recipe.frames; ++t) {
    const double time = start + static_cast<double>(t) / recipe.rate;
    out.push_back(video.frame_at(recipe.beyond == "loop" ? std::fmod(time, whole) : time));
  }
  return out;
}

}  // namespace

void ClipRecipe::describe(core::Options& options, const std::string& prefix) {
  const std::string by = prefix + "sampling";
  const std::vector<std::string> pieces = {"random", "centre", "spaced"};
  options.add(prefix + "frames", &frames, "frames of a clip").range(1, 4096);
  options
      .add(by, &sampling, "where a clip lies: at random, in the centre, spaced evenly with others; or one frame of each of equal segments")
      .choices({"random", "centre", "spaced", "segments-random", "segments-centre"});
  options.add(prefix + "stride", &stride, "frames of the video from one frame of a clip to the next").range(1, 4096).only_with(by, pieces);
  options.add(prefix + "rate", &rate, "frames a second of a clip, whatever the video has; 0: by the stride")
      .range(0, 1000)
      .only_with(by, pieces);
  options.add(prefix + "clips", &clips, "clips that are spaced over a video").range(1, 1024).only_with(by, {"spaced"});
  options.add(prefix + "beyond", &beyond, "what stands for frames beyond the end: the last one, or the video from its start")
      .choices({"clamp", "loop"})
      .only_with(by, pieces);
}

std::vector<std::int64_t> draw_frames(const ClipRecipe& recipe, const Video& video, std::int64_t clip, core::Rng& rng) {
  if (has_segments(recipe)) return segment_frames(recipe, video.frames(), rng);
  const double at = share(recipe, clip, rng);
  return recipe.rate > 0 ? timed_frames(recipe, video, at) : strided_frames(recipe, video.frames(), at);
}

}  // namespace selfsight::data
