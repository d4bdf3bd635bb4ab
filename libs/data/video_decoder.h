// What the module for video exports (codecs/libav.cpp): demuxing and decoding by FFmpeg's libraries. data/video.h is what others use.
#pragma once

#include "data/image.h"
#include "data/video_index.h"

#include <functional>

namespace selfsight::data {

/// One open file. All calls throw std::runtime_error with the reason, without the file's name.
class VideoDecoder {
 public:
  virtual ~VideoDecoder() = default;
  /// Reads all packets, decoding none. Error: what no video stream of bounded size can be read from; also a file that is cut off.
  virtual VideoStream scan() = 0;
  /// Decodes everything once: the numbers of the packets whose pictures come out, in that order. What is damaged is passed over.
  virtual std::vector<std::int64_t> shown_packets() = 0;
  /// Decodes one stretch and gives each picture that is wanted (RGB, as stored) with its frame number; the image is lent for the call.
  /// Returns the packets among `run.wanted` whose pictures did not come out, because a packet on the way is damaged (then fault() says how)
  /// or for reasons unknown.
  virtual std::vector<std::int64_t> decode(const VideoIndex& index, const DecodeRun& run,
                                           const std::function<void(std::int64_t frame, const Image&)>& sink) = 0;
  [[nodiscard]] virtual const std::string& fault() const = 0;
};

}  // namespace selfsight::data

/// Opens a file; `index` is what an earlier look at it has found, or null.
extern "C" selfsight::data::VideoDecoder* selfsight_open_video(const char* path, const selfsight::data::VideoIndex* index);
