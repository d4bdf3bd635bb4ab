// Clip recipes: which frames of a video a view shows.
#pragma once

#include "core/options.h"
#include "core/rng.h"
#include "data/video.h"

#include <string>
#include <vector>

namespace selfsight::data {

/// The distribution of the frames of one kind of clip.
struct ClipRecipe {
  std::int64_t frames = 1;  ///< T
  /// T frames at equal distances that begin at "random", lie in the "centre", or are clip k of `clips` "spaced" over the video; or one
  /// frame of each of T equal parts (segments of TSN, Wang et al. 2016), "segments-random" or "segments-centre".
  std::string sampling = "centre";
  std::int64_t stride = 1;       ///< frames from one to the next
  double rate = 0;               ///< > 0: frames a second, by the times of the frames, in place of `stride`
  std::int64_t clips = 1;        ///< of "spaced"
  std::string beyond = "clamp";  ///< frames beyond the end of a short video: "clamp" repeats the last, "loop" starts over

  /// Options named <prefix>frames, <prefix>sampling, <prefix>stride ...
  void describe(core::Options& options, const std::string& prefix);
};

/// T frame numbers, rising but where a clip loops. `clip` (0 .. clips - 1) is which one of "spaced". The count of random numbers used
/// depends on the recipe alone. A segment of less than a frame repeats frames.
std::vector<std::int64_t> draw_frames(const ClipRecipe& recipe, const Video& video, std::int64_t clip, core::Rng& rng);

}  // namespace selfsight::data
