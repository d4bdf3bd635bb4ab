#include "data/video.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/module.h"
#include "data/jpeg.h"
#include "data/video_decoder.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

// The module's errors have no file name and no exit code.
template <class Action>
auto naming(const fs::path& file, const Action& action) {
  try {
    return action();
  } catch (const core::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::runtime_error& error) {
    fail(Exit::bad_data, "{}: {}", file.string(), error.what());
  }
}

std::unique_ptr<VideoDecoder> open_decoder(const fs::path& file, const VideoIndex* index) {
  static const auto open =
      reinterpret_cast<decltype(&selfsight_open_video)>(core::open_module("selfsight_video.so", "selfsight_open_video", "video"));
  if (std::error_code ignored; !fs::is_regular_file(file, ignored)) fail(Exit::no_input, "{}: no such file", file.string());
  return std::unique_ptr<VideoDecoder>(open(file.c_str(), index));
}

class VideoFile final : public Video {
 public:
  VideoFile(fs::path file, std::shared_ptr<const VideoIndex> index)
      : file_(std::move(file)), name_(file_.string()), index_(std::move(index)) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t frames() const override { return index_->frames(); }
  [[nodiscard]] double time_of(std::int64_t frame) const override {
    return static_cast<double>(frame < frames() ? index_->times[static_cast<std::size_t>(frame)] : index_->end) * index_->tick.value();
  }
  [[nodiscard]] std::int64_t frame_at(double seconds) const override {
    // Seconds that were computed from ticks may fall short of theirs by a rounding.
    const double ticks = std::clamp(std::floor(seconds / index_->tick.value() + 1e-4), 0.0, static_cast<double>(index_->times.back()));
    const auto after = std::upper_bound(index_->times.begin(), index_->times.end(), static_cast<std::int64_t>(ticks));
    return after - index_->times.begin() - 1;
  }
  [[nodiscard]] VideoFacts facts() const override {
    const bool swapped = index_->orientation >= 5;
    return {.frames = frames(),
            .rate = index_->rate,
            .seconds = time_of(frames()),
            .height = swapped ? index_->width : index_->height,
            .width = swapped ? index_->height : index_->width,
            .codec = index_->codec};
  }
  [[nodiscard]] std::string digest() const override { return core::digest_of_file(file_); }
  void read(std::span<const std::int64_t> frames, const FrameSink& sink) override {
    check_numbers(frames);
    naming(file_, [&] {
      if (!decoder_) decoder_ = open_decoder(file_, index_.get());
      for (DecodeRun& run : runs_for(*index_, frames)) {
        run.wanted = decode(run, sink);
        // A key that does not keep what it promises (a picture that is refreshed bit by bit): from the start, then.
        if (!run.wanted.empty() && run.from.packet > 0) {
          run.from = index_->seek_points.front();
          run.wanted = decode(run, sink);
        }
        if (run.wanted.empty()) continue;
        const std::string& fault = decoder_->fault();
        fail(Exit::bad_data, "{}: frame {} cannot be decoded{}{}", name_, first_frame(run.wanted), fault.empty() ? "" : ": ", fault);
      }
    });
  }

 private:
  std::vector<std::int64_t> decode(const DecodeRun& run, const FrameSink& sink) {
    if (index_->orientation == 1) return decoder_->decode(*index_, run, sink);
    return decoder_->decode(*index_, run, [&](std::int64_t frame, const Image& image) {
      Image upright = image;
      turn_upright(upright, index_->orientation);
      sink(frame, upright);
    });
  }
  [[nodiscard]] std::int64_t first_frame(const std::vector<std::int64_t>& packets) const {
    std::int64_t first = frames();
    for (const std::int64_t packet : packets) first = std::min<std::int64_t>(first, index_->frame_of[static_cast<std::size_t>(packet)]);
    return first;
  }

  fs::path file_;
  std::string name_;
  std::shared_ptr<const VideoIndex> index_;
  std::unique_ptr<VideoDecoder> decoder_;
};

}  // namespace

nlohmann::json VideoFacts::json() const {
  return {{"frames", frames},
          {"rate", fmt::format("{}/{}", rate.numerator, rate.denominator)},
          {"seconds", std::round(seconds * 1e6) / 1e6},
          {"height", height},
          {"width", width},
          {"codec", codec}};
}

void Video::check_numbers(std::span<const std::int64_t> wanted) const {
  for (const std::int64_t frame : wanted)
    if (frame < 0 || frame >= frames()) fail(Exit::bad_data, "{}: has no frame {}: it has {}", name(), frame, frames());
}

std::vector<Image> Video::images(std::span<const std::int64_t> wanted) {
  std::vector<std::int64_t> rising(wanted.begin(), wanted.end());
  std::sort(rising.begin(), rising.end());
  rising.erase(std::unique(rising.begin(), rising.end()), rising.end());
  std::vector<Image> out(wanted.size());
  read(rising, [&](std::int64_t frame, const Image& image) {
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (wanted[i] == frame) out[i] = image;
  });
  return out;
}

std::vector<Image> Video::images_at(std::span<const double> seconds) {
  std::vector<std::int64_t> wanted;
  for (const double at : seconds) {
    if (!(at >= 0 && at <= time_of(frames())))
      fail(Exit::bad_data, "{}: has nothing at {} s: it takes {:.3f} s", name(), at, time_of(frames()));
    wanted.push_back(frame_at(at));
  }
  return images(wanted);
}

std::shared_ptr<const VideoIndex> index_video(const fs::path& file) {
  return naming(file, [&] {
    const std::unique_ptr<VideoDecoder> decoder = open_decoder(file, nullptr);
    const VideoStream stream = decoder->scan();
    auto index = std::make_shared<VideoIndex>(tells_frames(stream) ? make_index(stream) : make_index(stream, decoder->shown_packets()));
    if (index->frames() == 0) fail(Exit::bad_data, "{}: no frame of it can be decoded", file.string());
    return std::shared_ptr<const VideoIndex>(std::move(index));
  });
}

std::unique_ptr<Video> open_video(const fs::path& file, std::shared_ptr<const VideoIndex> index) {
  return std::make_unique<VideoFile>(file, std::move(index));
}

std::unique_ptr<Video> open_video(const fs::path& file) { return open_video(file, index_video(file)); }

}  // namespace selfsight::data
