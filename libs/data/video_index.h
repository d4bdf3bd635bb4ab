// Where the pictures of a video file lie, in the order in which they are shown: what it takes to decode single frames. No decoder here.
#pragma once

#include "data/rational.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace selfsight::data {

/// The most frames that a video may have, 2^22 (39 hours of 30 a second), and the most pixels in one of them, 2^26.
inline constexpr std::int64_t max_video_frames = std::int64_t{1} << 22;
inline constexpr std::int64_t max_frame_pixels = std::int64_t{1} << 26;

/// One packet of the video stream. A packet holds one picture, as a rule.
struct VideoPacket {
  std::int64_t position = -1, size = 0;        ///< where it begins in the file, -1: not known, and its length, in bytes
  std::optional<std::int64_t> shown, decoded;  ///< when its picture is to be shown and decoded, in ticks
  std::int64_t length = 0;                     ///< how long it is shown, in ticks; 0: not known
  bool key = false;                            ///< decoding can begin here
  bool hidden = false;                         ///< decoded, but cut off by an edit list
};

/// A video stream as its container has it.
struct VideoStream {
  std::string codec;
  std::int64_t height = 0, width = 0;  ///< as stored
  int orientation = 1;                 ///< how a stored picture is turned to be shown, in EXIF's numbers
  Rational tick;                       ///< seconds
  Rational rate;                       ///< frames a second on average as the container says; 0: not said
  std::int64_t reorder = 0;            ///< pictures that the decoder has to hold back, as far as known
  /// The packets do not tell how many frames come out (packed B-frames, hidden pictures, fields).
  bool doubtful = false;
  std::vector<VideoPacket> packets;  ///< in the order of the file, which is that of decoding
};

/// A place where decoding can begin.
struct SeekPoint {
  std::int64_t packet = 0, frame = 0;    ///< number of the packet, and of the first frame that can be decoded from here
  std::int64_t position = -1, size = 0;  ///< of the packet, which is known by them
  std::vector<std::int64_t> times;       ///< in ticks, to seek by; the first is tried first
};

struct VideoIndex {
  std::string codec;
  std::int64_t height = 0, width = 0, reorder = 0;  ///< these and `orientation` as VideoStream has them
  int orientation = 1;
  bool regular = true;  ///< made from packets that tell their frames: pictures can be left out of the decoding one by one
  Rational tick, rate;
  std::vector<std::int64_t> times;      ///< in ticks from the first frame, one a frame and rising
  std::int64_t end = 0;                 ///< of the last frame, in ticks
  std::vector<std::int32_t> packet_of;  ///< of every frame
  std::vector<std::int32_t> frame_of;   ///< of every packet: its frame; of one without, the frame that would be next
  std::vector<SeekPoint> seek_points;   ///< rising in both numbers; the first is the start of the file
  [[nodiscard]] std::int64_t frames() const { return static_cast<std::int64_t>(packet_of.size()); }
  [[nodiscard]] std::int64_t packets() const { return static_cast<std::int64_t>(frame_of.size()); }
};

/// Whether the packets alone tell frames and order: each has one picture and a time of its own, near its place in the file, and the first
/// is a key whose picture comes first.
bool tells_frames(const VideoStream& stream);
/// The index of a stream that tells_frames(); of any stream, when `shown` has the numbers of the packets whose pictures a decoder gives,
/// in its order.
VideoIndex make_index(const VideoStream& stream);
VideoIndex make_index(const VideoStream& stream, std::vector<std::int64_t> shown);

/// One stretch of decoding: from a seek point to packet `last`, for the pictures of packets `wanted` (rising).
struct DecodeRun {
  SeekPoint from;
  std::int64_t last = 0;
  std::vector<std::int64_t> wanted;
};
/// The stretches that give `frames` (rising, each once): no picture is decoded twice, and none behind the last one wanted of its group.
std::vector<DecodeRun> runs_for(const VideoIndex& index, std::span<const std::int64_t> frames);

}  // namespace selfsight::data
