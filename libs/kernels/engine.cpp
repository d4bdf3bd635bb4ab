#include "kernels/engine.h"

#include "core/error.h"
#include "core/threads.h"
#include "data/jpeg.h"

#include <algorithm>

namespace selfsight::kernels {
namespace {

using core::Exit;

class HostEngine : public Engine {
 public:
  explicit HostEngine(const EngineOptions& options) : options_(options) {}

  std::vector<std::optional<std::string>> make(std::span<const data::Stored> pictures, std::span<const std::vector<Shown>> shown) override {
    std::vector<std::optional<std::string>> unusable(pictures.size());
    counts_.on_host += std::count_if(shown.begin(), shown.end(), [](const auto& of_picture) { return !of_picture.empty(); });
    core::parallel_for(std::ssize(pictures), 1, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      for (auto p = static_cast<std::size_t>(begin); p < static_cast<std::size_t>(end); ++p) unusable[p] = make_one(pictures[p], shown[p]);
    });
    return unusable;
  }

 private:
  EngineOptions options_;

  std::optional<std::string> make_one(const data::Stored& picture, const std::vector<Shown>& shown) const {
    if (shown.empty()) return std::nullopt;
    thread_local data::Image image;
    if (auto why = try_decode(picture, options_.channels, image)) return why;
    for (const Shown& one : shown) {
      std::vector<float> taps;
      Tasked made = task_of(one, {image.height, image.width}, taps);
      if (made.unusable) return made.unusable;
      made.task.picture = image.pixels.data();
      made.task.taps = taps.data();
      make_views({&made.task, 1}, options_.normalisation, options_.channels, options_.element, 1);
    }
    return std::nullopt;
  }
};

}  // namespace

bool suits_device(const data::Stored& stored, std::int64_t channels) {
  if (stored.height > 0 || !data::is_jpeg(stored.bytes)) return false;
  const data::JpegMarks marks = data::jpeg_marks(stored.bytes);
  constexpr int baseline = 0xC0;
  return marks.frame == baseline && marks.precision == 8 && marks.orientation == 1 && !marks.rgb &&
         (marks.components == 3 || (marks.components == 1 && channels == 1)) && marks.height > 0 && marks.width > 0 &&
         marks.height <= data::max_pixels / marks.width && data::has_end(stored.bytes);
}

std::optional<std::string> try_decode(const data::Stored& stored, std::int64_t channels, data::Image& out) {
  try {
    data::decode_into(stored, channels, {}, out);
    return std::nullopt;
  } catch (const core::Error& error) {
    if (error.exit() != Exit::bad_data && error.exit() != Exit::no_input && error.exit() != Exit::io) throw;
    return error.what();
  }
}

Tasked task_of(const Shown& shown, const data::Size& picture, std::vector<float>& taps) {
  const data::Geometry& geometry = shown.drawn->geometry;
  if (geometry.source_height != picture.height || geometry.source_width != picture.width) {
    core::fail(Exit::internal, "a view drawn for a picture of {} x {} is made of one of {} x {}", geometry.source_height,
               geometry.source_width, picture.height, picture.width);
  }
  try {
    Tasked out{view_task(*shown.recipe, *shown.drawn, {{0, 0, picture.width, picture.height}}, picture, taps), std::nullopt};
    out.task.out = shown.out;
    return out;
  } catch (const core::Error& error) {
    if (error.exit() != Exit::bad_data) throw;
    return {{}, std::string(": ") + error.what()};
  }
}

std::unique_ptr<Engine> make_host_engine(const EngineOptions& options) { return std::make_unique<HostEngine>(options); }

#ifndef SELFSIGHT_CUDA
std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& /*options*/, const c10::Device& /*device*/) {
  core::fail(Exit::usage, "views cannot be made on a CUDA device: build with the cuda preset");
}
#endif

}  // namespace selfsight::kernels
