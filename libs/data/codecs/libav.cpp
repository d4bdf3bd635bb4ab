// The module behind data/video_decoder.h.
#include "data/video_decoder.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <bit>
#include <cstdarg>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <utility>

namespace selfsight::data {
namespace {

struct Freer {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Freer>;

/// What libav last complained of on this thread: its log says more than its error codes.
thread_local std::string complaint;
/// The same of what reads containers alone.
thread_local std::string container_complaint;

bool is_container(void* context) {
  const AVClass* kind = context == nullptr ? nullptr : *static_cast<AVClass**>(context);
  if (kind == nullptr) return false;
  return (kind->get_category != nullptr ? kind->get_category(context) : kind->category) == AV_CLASS_CATEGORY_DEMUXER;
}

void keep_complaint(void* context, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  char line[200];
  std::vsnprintf(line, sizeof line, format, arguments);
  complaint = line;
  while (!complaint.empty() && (complaint.back() == '\n' || complaint.back() == '.')) complaint.pop_back();
  if (is_container(context)) container_complaint = complaint;
}

void set_up_libav() {
  av_log_set_callback(keep_complaint);
  // No table and no picture needs more in one piece; a few bytes of a header can claim any size.
  av_max_alloc(std::size_t{1} << 29);
}

std::string reason_of(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE];
  av_strerror(code, text, sizeof text);
  return complaint.empty() ? text : complaint;
}

void check(int code, const char* what) {
  if (code < 0) throw std::runtime_error(std::string(what) + ": " + reason_of(code));
}

/// More packets than any decoder holds back.
constexpr std::int64_t held_back = 32;

/// Containers of video only: no play lists, which would open other files, and no still images.
constexpr const char* containers =
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,flv,asf,ogg,h264,hevc,m4v,mpegvideo,ivf,yuv4mpegpipe,mjpeg,gif,nut,dv,mxf";

/// A time that is there and that can be reckoned with.
std::optional<std::int64_t> time_of(std::int64_t ticks) {
  constexpr std::int64_t most = std::int64_t{1} << 60;
  return ticks > -most && ticks < most ? std::optional(ticks) : std::nullopt;
}

/// The turn that a file asks for, as one of EXIF's eight; what is no multiple of 90 degrees is left alone.
int orientation_of(const AVStream& stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
  const AVPacketSideData* data =
      av_packet_side_data_get(stream.codecpar->coded_side_data, stream.codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  const std::uint8_t* bytes = data == nullptr ? nullptr : data->data;
#else
  const std::uint8_t* bytes = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
#endif
  if (bytes == nullptr) return 1;
  const auto* m = reinterpret_cast<const std::int32_t*>(bytes);
  const int a = m[0], b = m[1], c = m[3], d = m[4];
  if (b == 0 && c == 0) return a >= 0 ? (d >= 0 ? 1 : 4) : (d >= 0 ? 2 : 3);
  if (a == 0 && d == 0) return b >= 0 ? (c >= 0 ? 5 : 6) : (c >= 0 ? 8 : 7);
  return 1;
}

/// Where the segment of a Matroska file ends by its own size; 0 where it does not say, as recorders that were stopped do not.
std::int64_t end_of_segment(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const auto bytes = [&](int count) {
    std::int64_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | (file.get() & 0xFF);
    return value;
  };
  // A number of as many bytes as its first has zeros in front, and one; ones alone say that it is not known.
  const auto number = [&]() -> std::int64_t {
    const std::int64_t first = bytes(1);
    const int more = std::countl_zero(static_cast<std::uint8_t>(first));
    if (more > 7) return -1;
    const std::int64_t value = (first & (0x7F >> more)) << (8 * more) | bytes(more);
    return value == (std::int64_t{1} << (7 * (more + 1))) - 1 ? -1 : value;
  };
  constexpr std::int64_t header_mark = 0x1A45DFA3, segment_mark = 0x18538067;
  if (bytes(4) != header_mark) return 0;
  file.seekg(number(), std::ios::cur);
  if (bytes(4) != segment_mark) return 0;
  const std::int64_t size = number();
  return file && size >= 0 ? static_cast<std::int64_t>(file.tellg()) + size : 0;
}

/// RGB by the frame's own matrix and range. What does not say its matrix is taken for BT.601, what does not say its range for limited: as
/// ffmpeg does, whatever the size.
class Converter {
 public:
  void convert(const AVFrame& frame, Image& out) {
    const auto format = static_cast<AVPixelFormat>(frame.format);
    const int full = frame.color_range == AVCOL_RANGE_JPEG || is_full_by_name(format) ? 1 : 0;
    if (!scaler_ || frame.width != width_ || frame.height != height_ || format != format_ || frame.colorspace != matrix_ || full != full_) {
      scaler_.reset(sws_getContext(frame.width, frame.height, format, frame.width, frame.height, AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr,
                                   nullptr, nullptr));
      if (!scaler_) throw std::runtime_error(std::string("no way from pixels of format ") + av_get_pix_fmt_name(format) + " to RGB");
      const int* matrix = sws_getCoefficients(frame.colorspace);
      sws_setColorspaceDetails(scaler_.get(), matrix, full, sws_getCoefficients(SWS_CS_DEFAULT), 0, 0, 1 << 16, 1 << 16);
      width_ = frame.width, height_ = frame.height, format_ = format, matrix_ = frame.colorspace, full_ = full;
    }
    // swscale works in whole vectors: where a row is none, its last pixels are right only with room behind them.
    out.reshape(frame.height, frame.width, 3);
    constexpr int vector = 32;
    const int width = (frame.width + vector - 1) / vector * vector;
    std::uint8_t* to = out.pixels.data();
    if (width != frame.width) {
      padded_.resize(static_cast<std::size_t>(3 * width) * static_cast<std::size_t>(frame.height));
      to = padded_.data();
    }
    std::uint8_t* planes[] = {to, nullptr, nullptr, nullptr};
    const int lines[] = {3 * width, 0, 0, 0};
    const int rows = sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, lines);
    for (std::int64_t y = 0; y < frame.height && width != frame.width; ++y)
      std::copy_n(padded_.data() + 3 * width * y, 3 * frame.width, out.row(y));
    if (rows != frame.height) throw std::runtime_error("a picture cannot be turned into RGB");
  }

 private:
  static bool is_full_by_name(AVPixelFormat format) {
    return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ444P ||
           format == AV_PIX_FMT_YUVJ440P || format == AV_PIX_FMT_YUVJ411P;
  }
  Owned<SwsContext> scaler_;
  std::vector<std::uint8_t> padded_;
  int width_ = 0, height_ = 0, full_ = 0;
  AVPixelFormat format_ = AV_PIX_FMT_NONE;
  AVColorSpace matrix_ = AVCOL_SPC_UNSPECIFIED;
};

class Libav final : public VideoDecoder {
 public:
  Libav(std::string path, const VideoIndex* index) : path_(std::move(path)), known_(index != nullptr) {
    open();
    open_decoder(index);
  }

  VideoStream scan() override {
    const AVStream& stream = *file_->streams[video_];
    const AVCodecParameters& parameters = *stream.codecpar;
    VideoStream out;
    out.codec = avcodec_get_name(parameters.codec_id);
    out.height = parameters.height, out.width = parameters.width;
    out.orientation = orientation_of(stream);
    out.tick = {stream.time_base.num, stream.time_base.den};
    const AVRational rate = stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
    if (rate.num > 0 && rate.den > 0) out.rate = {rate.num, rate.den};
    out.reorder = codec_->has_b_frames;
    const bool fields = parameters.field_order != AV_FIELD_UNKNOWN && parameters.field_order != AV_FIELD_PROGRESSIVE;
    out.doubtful = parameters.codec_id == AV_CODEC_ID_VP8 || fields;
    container_complaint.clear();
    while (read()) {
      const AVPacket& from = *packet_;
      // As FFmpeg's own filter for packed B-frames tells them: a picture that only says "as before" has less than 20 bytes.
      constexpr int least_mpeg4 = 20;
      out.doubtful = out.doubtful || from.size == 0 || (parameters.codec_id == AV_CODEC_ID_MPEG4 && from.size < least_mpeg4);
      VideoPacket packet{.position = from.pos,
                         .size = from.size,
                         .length = time_of(from.duration).value_or(0),
                         .key = (from.flags & AV_PKT_FLAG_KEY) != 0,
                         .hidden = (from.flags & AV_PKT_FLAG_DISCARD) != 0};
      packet.shown = time_of(from.pts);
      packet.decoded = time_of(from.dts);
      out.packets.push_back(packet);
      if (static_cast<std::int64_t>(out.packets.size()) > max_video_frames)
        throw std::runtime_error("more frames than the " + std::to_string(max_video_frames) + " that a video may have");
    }
    refuse_cut_off();
    if (ended_ != AVERROR_EOF) throw std::runtime_error("cannot be read to its end: " + reason_of(ended_));
    // Matroska's reader goes on behind what it cannot make out, or gives up, and calls either the end.
    if (is_format("matroska") && !container_complaint.empty()) throw std::runtime_error("damaged: " + container_complaint);
    if (out.packets.empty()) throw std::runtime_error("its video stream holds no pictures");
    return out;
  }

  std::vector<std::int64_t> shown_packets() override {
    if (next_ > 0) open();
    numbered_ = true;
    std::vector<std::int64_t> order;
    std::vector<bool> seen;
    const auto note = [&](const AVFrame& frame) {
      if (frame.pts < 0 || frame.pts >= next_) return;
      const auto packet = static_cast<std::size_t>(frame.pts);
      if (seen.size() <= packet) seen.resize(packet + 1);
      if (!seen[packet]) order.push_back(frame.pts);
      seen[packet] = true;
    };
    codec_->skip_frame = AVDISCARD_DEFAULT;
    while (read()) send(packet_.get(), note);
    send(nullptr, note);
    avcodec_flush_buffers(codec_.get());
    return order;
  }

  std::vector<std::int64_t> decode(const VideoIndex& index, const DecodeRun& run,
                                   const std::function<void(std::int64_t frame, const Image&)>& sink) override {
    fault_.clear();
    go_to(index, run.from);
    std::vector<std::int64_t> left = run.wanted;
    // Pictures shown before the key need others from before it: they are not wanted here, and what is wrong with them says nothing.
    const auto counts = [&](std::int64_t packet) {
      return packet >= 0 && packet <= run.last && index.frame_of[static_cast<std::size_t>(packet)] >= run.from.frame;
    };
    const auto take = [&](const AVFrame& frame) {
      if (!fault_.empty()) return;
      if ((frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0) && counts(frame.pts)) {
        fault_ = complaint.empty() ? "damaged" : complaint;
        return;
      }
      const auto wanted = std::find(left.begin(), left.end(), frame.pts);
      if (wanted == left.end()) return;
      if (frame.height != index.height || frame.width != index.width) {
        fault_ = "the size changes from " + std::to_string(index.height) + " x " + std::to_string(index.width) + " to " +
                 std::to_string(frame.height) + " x " + std::to_string(frame.width);
        return;
      }
      converter_.convert(frame, image_);
      left.erase(wanted);
      sink(index.frame_of[static_cast<std::size_t>(frame.pts)], image_);
    };
    // A decoder that is told of the end gives what it holds back; but not always all of it, at the start of a stream that was cut.
    const std::int64_t last = index.regular ? run.last : std::min(run.last + held_back, index.packets() - 1);
    while (fault_.empty() && !left.empty() && next_ <= last) {
      if (!read()) {
        fault_ = ended_ == AVERROR_EOF ? "the file ends before it" : reason_of(ended_);
        break;
      }
      // Nothing needs a picture that is neither wanted nor referred to.
      const bool needed = !index.regular || std::binary_search(run.wanted.begin(), run.wanted.end(), packet_->pts);
      codec_->skip_frame = needed ? AVDISCARD_DEFAULT : AVDISCARD_NONREF;
      complaint.clear();
      if (const int code = send(packet_.get(), take); code < 0 && counts(packet_->pts) && fault_.empty()) fault_ = reason_of(code);
    }
    if (fault_.empty()) send(nullptr, take);
    avcodec_flush_buffers(codec_.get());
    return left;
  }

  [[nodiscard]] const std::string& fault() const override { return fault_; }

 private:
  void open() {
    complaint.clear();
    file_.reset();
    // The options are taken out of the dictionary as they are used.
    AVDictionary* options = nullptr;
    av_dict_set(&options, "format_whitelist", containers, 0);
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    AVFormatContext* file = nullptr;
    const int code = avformat_open_input(&file, ("file:" + path_).c_str(), nullptr, &options);
    av_dict_free(&options);
    check(code, "not a video that can be opened");
    file_.reset(file);
    // Where the header says all (index known, streams listed), the slow look into the stream is spared.
    if (!known_ || (file->ctx_flags & AVFMTCTX_NOHEADER) != 0) check(avformat_find_stream_info(file, nullptr), "no streams can be told");
    video_ = -1;
    int best = -1;
    for (unsigned i = 0; i < file->nb_streams; ++i) {
      const AVStream& stream = *file->streams[i];
      if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO || (stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) continue;
      const int rank = (stream.disposition & AV_DISPOSITION_DEFAULT) != 0 ? 1 : 0;
      if (rank > best) best = rank, video_ = static_cast<int>(i);
    }
    if (video_ < 0) throw std::runtime_error("has no video stream");
    for (unsigned i = 0; i < file->nb_streams; ++i)
      if (static_cast<int>(i) != video_) file->streams[i]->discard = AVDISCARD_ALL;
    next_ = 0;
    held_ = false;
    known_ = true;
  }

  void open_decoder(const VideoIndex* index) {
    const AVCodecParameters& parameters = *file_->streams[video_]->codecpar;
    const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
    if (codec == nullptr) throw std::runtime_error(std::string("no decoder for ") + avcodec_get_name(parameters.codec_id));
    if (static_cast<std::int64_t>(parameters.width) * parameters.height > max_frame_pixels)
      throw std::runtime_error("frames of " + std::to_string(parameters.height) + " x " + std::to_string(parameters.width) +
                               " pixels, more than a frame may have");
    codec_.reset(avcodec_alloc_context3(codec));
    if (!codec_) throw std::bad_alloc();
    check(avcodec_parameters_to_context(codec_.get(), &parameters), "decoder");
    codec_->thread_count = 1;
    codec_->max_pixels = max_frame_pixels;
    codec_->pkt_timebase = file_->streams[video_]->time_base;
    if (index != nullptr) codec_->has_b_frames = std::max(codec_->has_b_frames, static_cast<int>(index->reorder));
    check(avcodec_open2(codec_.get(), codec, nullptr), "decoder");
    packet_.reset(av_packet_alloc());
    frame_.reset(av_frame_alloc());
    if (!packet_ || !frame_) throw std::bad_alloc();
  }

  [[nodiscard]] bool is_format(std::string_view name) const { return std::string_view(file_->iformat->name).starts_with(name); }

  /// Fetches the next packet of the video; false at the end of what can be read, and then `ended_` says why.
  bool fetch() {
    do {
      av_packet_unref(packet_.get());
      ended_ = av_read_frame(file_.get(), packet_.get());
      // Some readers say no more than that nothing follows, whatever the system said to them.
      if (ended_ == AVERROR_EOF && file_->pb != nullptr && file_->pb->error < 0) ended_ = file_->pb->error;
      if (ended_ < 0) return false;
    } while (packet_->stream_index != video_);
    return true;
  }

  /// The same in turn. Where decoding is meant, the packet's number takes the place of its times, which may be wrong or not there at all:
  /// the picture that comes out will carry it.
  bool read() {
    if (!std::exchange(held_, false) && !fetch()) return false;
    if (numbered_) packet_->pts = next_, packet_->dts = AV_NOPTS_VALUE;
    ++next_;
    return true;
  }

  /// Gives a packet (null: there are no more) to the decoder, and every picture that comes out to `take`.
  template <class Take>
  int send(const AVPacket* packet, const Take& take) {
    int code = avcodec_send_packet(codec_.get(), packet);
    for (;;) {
      const int got = avcodec_receive_frame(codec_.get(), frame_.get());
      if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) return code;
      if (got < 0) return got;
      take(*frame_);
      av_frame_unref(frame_.get());
    }
  }

  bool skip_to(std::int64_t packet) {
    while (next_ < packet)
      if (!read()) return false;
    return true;
  }

  /// After it, read() gives the packet of `point`, or fails.
  void go_to(const VideoIndex& index, const SeekPoint& point) {
    constexpr std::int64_t near = 32;  // packets that are read faster than sought
    const bool reads_on = next_ <= point.packet && point.packet - next_ < near;
    numbered_ = true;
    if (reads_on || std::any_of(point.times.begin(), point.times.end(), [&](std::int64_t time) { return seek(index, point, time); })) {
      skip_to(point.packet);
      return;
    }
    // From the start all is to be as it was when the file was looked through, and flushing leaves traces in some decoders.
    if (next_ > 0 || held_) {
      open();
      open_decoder(&index);
    }
    skip_to(point.packet);
  }

  /// Where a container's seek has led to is told by the position of the first key that turns up. False when that is behind `point`.
  bool seek(const VideoIndex& index, const SeekPoint& point, std::int64_t time) {
    if (av_seek_frame(file_.get(), video_, time, AVSEEK_FLAG_BACKWARD) < 0) return false;
    next_ = max_video_frames;  // nowhere known
    while (fetch() && packet_->pos <= point.position) {
      const auto found = std::lower_bound(index.seek_points.begin(), index.seek_points.end(), packet_->pos,
                                          [](const SeekPoint& one, std::int64_t position) { return one.position < position; });
      // The rest of a packet that was cut in two by the seek has its position, but not its size.
      if (found == index.seek_points.end() || found->position != packet_->pos || found->size != packet_->size) continue;
      next_ = found->packet;
      held_ = true;
      return true;
    }
    return false;
  }

  /// A table of contents at the beginning of a file tells what should follow.
  void refuse_cut_off() const {
    std::error_code ignored;
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path_, ignored));
    std::int64_t end = 0;
    if (is_format("mov")) {
      AVStream* stream = file_->streams[video_];
      for (int i = 0; i < avformat_index_get_entries_count(stream); ++i) {
        const AVIndexEntry* entry = avformat_index_get_entry(stream, i);
        end = std::max<std::int64_t>(end, entry->pos + entry->size);
      }
    } else if (is_format("matroska")) {
      end = end_of_segment(path_);
    } else if (is_format("avi")) {
      unsigned char head[8] = {};
      std::ifstream(path_, std::ios::binary).read(reinterpret_cast<char*>(head), sizeof head);
      const std::uint32_t riff = head[4] | head[5] << 8 | head[6] << 16 | static_cast<std::uint32_t>(head[7]) << 24;
      constexpr std::uint32_t unknown = 0x7FFFFFFF;  // recorders that were stopped, and files too large for the field
      if (riff < unknown) end = std::int64_t{8} + riff;
    }
    if (end > size) throw std::runtime_error("cut off: " + std::to_string(size) + " bytes of " + std::to_string(end));
  }

  std::string path_;
  Owned<AVFormatContext> file_;
  Owned<AVCodecContext> codec_;
  Owned<AVPacket> packet_;
  Owned<AVFrame> frame_;
  Converter converter_;
  Image image_;
  std::string fault_;
  int video_ = -1;
  bool known_;             ///< what the file holds was looked at before
  bool numbered_ = false;  ///< packets carry numbers instead of times
  bool held_ = false;      ///< the packet fetched last is still to be read
  int ended_ = 0;          ///< what av_read_frame said last
  std::int64_t next_ = 0;  ///< number of the packet that read() gives next
};

}  // namespace
}  // namespace selfsight::data

extern "C" selfsight::data::VideoDecoder* selfsight_open_video(const char* path, const selfsight::data::VideoIndex* index) {
  static const bool ready = (selfsight::data::set_up_libav(), true);
  (void)ready;
  return std::make_unique<selfsight::data::Libav>(path, index).release();
}
