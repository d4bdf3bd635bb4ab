// Folders of frames as videos.
#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "data/class_tree.h"
#include "data/video.h"
#include "data/video_index.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

// "frame9" before "frame10": digits count by the number they make.
bool in_order(std::string_view a, std::string_view b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto number = [&](std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && digit(text[length])) ++length;
    std::string_view out = text.substr(0, length);
    text.remove_prefix(length);
    out.remove_prefix(std::min(out.find_first_not_of('0'), out.size()));
    return out;
  };
  const std::string_view whole_a = a, whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (digit(a.front()) && digit(b.front())) {
      const std::string_view x = number(a), y = number(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else if (a.front() != b.front()) {
      return a.front() < b.front();
    } else {
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;
}

class FrameFolder final : public Video {
 public:
  FrameFolder(const fs::path& folder, const Rational& rate) : name_(folder.string()), rate_(rate) {
    std::error_code error;
    for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator(); at.increment(error))
      if (is_image_name(at->path().filename().string()) && at->is_regular_file(error)) files_.push_back(at->path());
    if (error) fail(Exit::no_input, "{}: {}", name_, error.message());
    if (files_.empty()) fail(Exit::bad_data, "{}: no frames (image files) in this folder", name_);
    if (static_cast<std::int64_t>(files_.size()) > max_video_frames)
      fail(Exit::bad_data, "{}: more frames than the {} that a video may have", name_, max_video_frames);
    std::sort(files_.begin(), files_.end(),
              [](const fs::path& a, const fs::path& b) { return in_order(a.filename().native(), b.filename().native()); });
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t frames() const override { return static_cast<std::int64_t>(files_.size()); }
  [[nodiscard]] double time_of(std::int64_t frame) const override { return static_cast<double>(frame) / rate_.value(); }
  [[nodiscard]] std::int64_t frame_at(double seconds) const override {
    return static_cast<std::int64_t>(std::clamp(std::floor(seconds * rate_.value() + 1e-4), 0.0, static_cast<double>(frames() - 1)));
  }
  [[nodiscard]] VideoFacts facts() const override {
    Image first;
    load(0, first);
    return {
        .frames = frames(), .rate = rate_, .seconds = time_of(frames()), .height = first.height, .width = first.width, .codec = "frames"};
  }
  [[nodiscard]] std::string digest() const override {
    core::Digest all;
    for (const fs::path& file : files_) all.add(core::digest_of_file(file));
    return all.finish();
  }
  void read(std::span<const std::int64_t> frames, const FrameSink& sink) override {
    check_numbers(frames);
    for (const std::int64_t frame : frames) {
      load(frame, image_);
      if (height_ == 0) height_ = image_.height, width_ = image_.width, sized_by_ = frame;
      if (image_.height != height_ || image_.width != width_)
        fail(Exit::bad_data, "{}: {} x {} pixels, but {} has {} x {}: all frames of a video have one size", file(frame).string(),
             image_.height, image_.width, file(sized_by_).filename().string(), height_, width_);
      sink(frame, image_);
    }
  }

 private:
  [[nodiscard]] const fs::path& file(std::int64_t frame) const { return files_[static_cast<std::size_t>(frame)]; }
  void load(std::int64_t frame, Image& image) const {
    Stored stored;
    stored.owned = core::read_bytes(file(frame));
    stored.bytes = stored.owned;
    decode_into(stored, 3, file(frame).string(), image);
  }

  std::string name_;
  Rational rate_;
  std::vector<fs::path> files_;
  Image image_;
  std::int64_t height_ = 0, width_ = 0, sized_by_ = 0;
};

}  // namespace

std::unique_ptr<Video> open_frames(const fs::path& folder, const Rational& rate) { return std::make_unique<FrameFolder>(folder, rate); }

}  // namespace selfsight::data
