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
      const auto first = view.shown.begin() + static_cast<std::ptrdiff_t>(place * frames);
      const std::uint8_t* made = nullptr;
      for (std::size_t t = 0; t < frames; ++t) {
        if (first[static_cast<std::ptrdiff_t>(t)] != frame) continue;
        std::uint8_t* to = view.pixels.data() + place * view.sample_bytes() + t * bytes;
        if (made == nullptr) {
          apply(image, {{0, 0, image.width, image.height}}, views[v].recipe, *drawn[v], {view.height, view.width, view.channels, to});
        } else {
          std::memcpy(to, made, bytes);
        }
        made = to;
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
