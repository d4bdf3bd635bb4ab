#include "data/clip_views.h"

#include "core/progress.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace selfsight::data {

void make_clip_views(Video& video, const std::vector<ViewSpec>& views, const std::vector<std::size_t>& which, std::int64_t clip,
                     const ViewRng& rng, Batch& batch, std::size_t place, LoaderTimes& times) {
  std::vector<std::int64_t> wanted;
  for (const std::size_t v : which) {
    core::Rng numbers = rng(core::Stream::clip, v);
    const std::vector<std::int64_t> frames = draw_frames(views[v].clip, video, clip % views[v].clip.clips, numbers);
    std::copy(frames.begin(), frames.end(), batch.views[v].shown.begin() + static_cast<std::ptrdiff_t>(place * frames.size()));
    wanted.insert(wanted.end(), frames.begin(), frames.end());
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  std::vector<std::optional<Drawn>> drawn(views.size());
  Image view_image;
  const double begin = core::monotonic_seconds();
  double augment = 0;
  video.read(wanted, [&](std::int64_t frame, const Image& image) {
    const double decoded = core::monotonic_seconds();
    for (const std::size_t v : which) {
      ViewBatch& view = batch.views[v];
      const auto frames = static_cast<std::size_t>(view.frames), bytes = view.sample_bytes() / frames;
      if (!drawn[v]) {
        core::Rng numbers = rng(core::Stream::view, v);
        drawn[v] = draw(views[v].recipe, image.height, image.width, numbers);
        view.geometry[place] = drawn[v]->geometry;
      }
      bool made = false;
      for (std::size_t t = place * frames; t < (place + 1) * frames; ++t) {
        if (view.shown[t] != frame) continue;
        if (!made) apply(image, views[v].recipe, *drawn[v], view_image);
        made = true;
        std::memcpy(view.pixels.data() + t * bytes, view_image.pixels.data(), bytes);
      }
    }
    augment += core::monotonic_seconds() - decoded;
  });
  times.decode += core::monotonic_seconds() - begin - augment;
  times.augment += augment;
  times.images += static_cast<std::int64_t>(wanted.size());
  times.views += static_cast<std::int64_t>(which.size());
}

}  // namespace selfsight::data
