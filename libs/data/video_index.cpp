#include "data/video_index.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::data {
namespace {

// No codec holds back more pictures than 16; a packet whose picture moves further than this has a wrong time.
constexpr std::int64_t farthest = 64;

// Frames a second of so many frames in so many ticks; in thousandths where the exact fraction has no room.
Rational rate_of(std::size_t frames, std::int64_t ticks, const Rational& tick) {
  constexpr double most = 4e18;
  const double above = static_cast<double>(frames) * static_cast<double>(tick.denominator),
               below = static_cast<double>(ticks) * static_cast<double>(tick.numerator);
  if (above < most && below < most) return {static_cast<std::int64_t>(frames) * tick.denominator, ticks * tick.numerator};
  return {static_cast<std::int64_t>(std::llround(std::min(1000 * above / below, 1e12))), 1000};
}

// Numbers of all packets by the time they are shown at.
std::vector<std::int64_t> by_time(const std::vector<VideoPacket>& packets) {
  std::vector<std::int64_t> order(packets.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return packets[static_cast<std::size_t>(a)].shown < packets[static_cast<std::size_t>(b)].shown;
  });
  return order;
}

// How many pictures a decoder has to hold back to give them in order.
std::int64_t reorder_of(const std::vector<std::int32_t>& frame_of) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i < frame_of.size(); ++i) {
    const std::size_t first = i > static_cast<std::size_t>(farthest) ? i - static_cast<std::size_t>(farthest) : 0;
    most = std::max<std::int64_t>(
        most, std::count_if(frame_of.begin() + static_cast<std::ptrdiff_t>(first), frame_of.begin() + static_cast<std::ptrdiff_t>(i),
                            [&](std::int32_t frame) { return frame > frame_of[i]; }));
  }
  return most;
}

// The times of the frames from 0 on: the packets' own, a few that do not rise put right, else by the rate.
void set_times(VideoIndex& index, const std::vector<VideoPacket>& packets) {
  const auto count = index.packet_of.size();
  std::vector<std::int64_t> times;
  std::size_t odd = 0;
  for (const std::int32_t packet : index.packet_of) {
    const auto& shown = packets[static_cast<std::size_t>(packet)].shown;
    const std::int64_t least = times.empty() ? shown.value_or(0) : times.back() + 1;
    odd += shown && *shown >= least ? 0 : 1;
    times.push_back(std::max(shown.value_or(least), least));
  }
  constexpr std::size_t few = 20;  // one in so many
  const bool by_rate = odd * few > count || index.tick.numerator <= 0;
  if (by_rate) {
    if (index.rate.numerator <= 0) index.rate = {25, 1};
    index.tick = {index.rate.denominator, index.rate.numerator};
    std::iota(times.begin(), times.end(), 0);
  }
  const std::int64_t first = times.empty() ? 0 : times.front();
  for (std::int64_t& time : times) time -= first;
  index.times = std::move(times);
  if (count == 0) return;
  // The last frame is shown as long as it says, else as long as the others on average.
  const std::int64_t last = index.times.back();
  const std::int64_t said = by_rate ? 1 : packets[static_cast<std::size_t>(index.packet_of.back())].length;
  const std::int64_t mean = count > 1 ? last / static_cast<std::int64_t>(count - 1) : 1;
  index.end = last + std::max<std::int64_t>(said > 0 ? said : mean, 1);
  if (index.rate.numerator <= 0) index.rate = rate_of(count, index.end, index.tick);
  const std::int64_t divisor = std::gcd(index.rate.numerator, index.rate.denominator);
  if (divisor > 1) index.rate = {index.rate.numerator / divisor, index.rate.denominator / divisor};
}

void set_seek_points(VideoIndex& index, const std::vector<VideoPacket>& packets) {
  index.seek_points.emplace_back();
  if (!packets.empty())
    index.seek_points.front().position = packets.front().position, index.seek_points.front().size = packets.front().size;
  for (std::size_t i = 1; i < packets.size(); ++i) {
    const VideoPacket& packet = packets[i];
    if (!packet.key || packet.position < 0 || index.frame_of[i] < index.seek_points.back().frame) continue;
    SeekPoint point{static_cast<std::int64_t>(i), index.frame_of[i], packet.position, packet.size, {}};
    if (packet.shown) point.times.push_back(*packet.shown);
    if (packet.decoded && packet.decoded != packet.shown) point.times.push_back(*packet.decoded);
    if (!point.times.empty()) index.seek_points.push_back(std::move(point));
  }
}

VideoIndex index_in_order(const VideoStream& stream, const std::vector<std::int64_t>& shown, std::vector<std::int32_t> frame_of) {
  VideoIndex index{.codec = stream.codec,
                   .height = stream.height,
                   .width = stream.width,
                   .reorder = std::max(stream.reorder, reorder_of(frame_of)),
                   .orientation = stream.orientation,
                   .tick = stream.tick,
                   .rate = stream.rate,
                   .frame_of = std::move(frame_of)};
  index.packet_of.assign(shown.begin(), shown.end());
  set_times(index, stream.packets);
  set_seek_points(index, stream.packets);
  return index;
}

}  // namespace

bool tells_frames(const VideoStream& stream) {
  const std::vector<VideoPacket>& packets = stream.packets;
  if (stream.doubtful || packets.empty() || !packets.front().key) return false;
  for (const VideoPacket& packet : packets)
    if (!packet.shown || packet.position < 0) return false;
  const std::vector<std::int64_t> order = by_time(packets);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (std::abs(order[i] - static_cast<std::int64_t>(i)) > farthest) return false;
    if (i > 0 && packets[static_cast<std::size_t>(order[i])].shown == packets[static_cast<std::size_t>(order[i - 1])].shown) return false;
  }
  return order.front() == 0;
}

VideoIndex make_index(const VideoStream& stream) {
  std::vector<std::int64_t> shown;
  std::vector<std::int32_t> frame_of(stream.packets.size());
  for (const std::int64_t i : by_time(stream.packets)) {
    frame_of[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(shown.size());
    if (!stream.packets[static_cast<std::size_t>(i)].hidden) shown.push_back(i);
  }
  return index_in_order(stream, shown, std::move(frame_of));
}

VideoIndex make_index(const VideoStream& stream, std::vector<std::int64_t> shown) {
  // Of a file that grew since its packets were listed, what came later is left out.
  std::erase_if(shown, [&](std::int64_t packet) { return packet >= static_cast<std::int64_t>(stream.packets.size()); });
  std::vector<std::int32_t> frame_of(stream.packets.size(), -1);
  for (std::size_t i = 0; i < shown.size(); ++i) frame_of[static_cast<std::size_t>(shown[i])] = static_cast<std::int32_t>(i);
  std::int32_t next = static_cast<std::int32_t>(shown.size());
  for (std::size_t i = frame_of.size(); i-- > 0;) {
    if (frame_of[i] < 0) frame_of[i] = next;
    next = std::min(next, frame_of[i]);
  }
  VideoIndex index = index_in_order(stream, shown, std::move(frame_of));
  index.regular = false;
  return index;
}

std::vector<DecodeRun> runs_for(const VideoIndex& index, std::span<const std::int64_t> frames) {
  std::vector<DecodeRun> runs;
  for (const std::int64_t frame : frames) {
    const std::int64_t packet = index.packet_of[static_cast<std::size_t>(frame)];
    // Pictures that are shown before a key but lie behind it in the file need what is before it.
    auto from = std::upper_bound(index.seek_points.begin(), index.seek_points.end(), frame,
                                 [](std::int64_t wanted, const SeekPoint& point) { return wanted < point.frame; });
    while (from != index.seek_points.begin() + 1 && std::prev(from)->packet > packet) --from;
    --from;
    if (runs.empty() || runs.back().from.packet != from->packet) runs.push_back({*from, packet, {}});
    runs.back().last = std::max(runs.back().last, packet);
    runs.back().wanted.push_back(packet);
  }
  for (DecodeRun& run : runs) std::sort(run.wanted.begin(), run.wanted.end());
  return runs;
}

}  // namespace selfsight::data
