// The views of one video: clips.
#pragma once

#include "data/loader.h"

#include <functional>

namespace selfsight::data {

/// The random numbers of view `view` for one use, by the key of the sample.
using ViewRng = std::function<core::Rng(core::Stream use, std::size_t view)>;

/// Makes the views `which` (numbers in `views`) of one video at `place` of the batch: frames by ClipRecipe and Stream::clip, one draw of
/// Recipe by Stream::view for all of them. `clip` is which one of "spaced". Each frame is decoded once for all views and not kept. Adds to
/// `times`. Errors: those of Video::read().
void make_clip_views(Video& video, const std::vector<ViewSpec>& views, const std::vector<std::size_t>& which, std::int64_t clip,
                     const ViewRng& rng, Batch& batch, std::size_t place, LoaderTimes& times);

}  // namespace selfsight::data
