// Videos: files of any container and codec that FFmpeg's libraries read, and folders of frames, as numbered frames with times.
#pragma once

#include "data/image.h"
#include "data/rational.h"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

struct VideoIndex;

struct VideoFacts {
  std::int64_t frames = 0;
  Rational rate;                       ///< frames a second, on average where it varies
  double seconds = 0;                  ///< until the end of the last frame
  std::int64_t height = 0, width = 0;  ///< pixels of a frame, upright
  std::string codec;                   ///< "h264"; "frames" of a folder
  /// {"frames", "rate": "30000/1001", "seconds", "height", "width", "codec"}
  [[nodiscard]] nlohmann::json json() const;
};

/// Gets a frame and its number; the image is lent for the call.
using FrameSink = std::function<void(std::int64_t frame, const Image& image)>;

/// One video. Frames are numbered from 0 in the order in which they are shown, whatever their times. For one thread at a time: each opens
/// its own, which decodes on that thread alone.
class Video {
 public:
  virtual ~Video() = default;
  /// What messages call it.
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual std::int64_t frames() const = 0;
  /// Seconds from the beginning of the first frame to that of frame `frame`; for frames() the end of the last.
  [[nodiscard]] virtual double time_of(std::int64_t frame) const = 0;
  /// The frame that is on the screen at `seconds`: the first one before the beginning, the last one from its time on.
  [[nodiscard]] virtual std::int64_t frame_at(double seconds) const = 0;
  [[nodiscard]] virtual VideoFacts facts() const = 0;
  /// Decodes `frames` (rising, each once) to RGB, upright, and gives them to `sink` one after the other. No other frame is decoded than
  /// those that lead from the key frame before to one that is wanted. Errors, naming the file: bad_data for a number that is not of the
  /// video, for a frame that is damaged or needs a damaged one, and for frames that differ in size; no_input, io.
  virtual void read(std::span<const std::int64_t> frames, const FrameSink& sink) = 0;
  /// Digest of the bytes on disk.
  [[nodiscard]] virtual std::string digest() const = 0;

  /// Frames in any order, with repeats. Errors as read().
  std::vector<Image> images(std::span<const std::int64_t> frames);
  /// The frames that are on the screen at these seconds. Error: also bad_data for a time outside of the video.
  std::vector<Image> images_at(std::span<const double> seconds);

 protected:
  void check_numbers(std::span<const std::int64_t> frames) const;
};

/// Looks through a file without decoding it; only of a file whose packets do not tell their frames (packed B-frames, hidden pictures,
/// fields, no times) everything is decoded once. Errors: no_input; bad_data, naming the file, where it is no video that can be read, holds
/// no pictures, is cut off or claims more than max_video_frames or max_frame_pixels.
std::shared_ptr<const VideoIndex> index_video(const std::filesystem::path& file);
/// Colours are converted by the matrix and range of the stream (BT.601 and limited where it does not say), chroma as
/// FFmpeg's default does; rotation and mirroring by multiples of 90 degrees are carried out, the aspect ratio of pixels is not.
std::unique_ptr<Video> open_video(const std::filesystem::path& file, std::shared_ptr<const VideoIndex> index);
std::unique_ptr<Video> open_video(const std::filesystem::path& file);
/// A folder of images as a video of `rate` frames a second: in the order of their names, numbers in these by their value. Errors: no_input;
/// bad_data for a folder without images.
std::unique_ptr<Video> open_frames(const std::filesystem::path& folder, const Rational& rate);

}  // namespace selfsight::data
