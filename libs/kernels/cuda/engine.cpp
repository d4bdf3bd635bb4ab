#include "kernels/engine.h"
#include "core/error.h"
#include "core/threads.h"
#include "data/jpeg.h"
#include "kernels/cuda/augment.h"
#include "kernels/cuda/decode.h"
#include "kernels/cuda/memory.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace selfsight::kernels {
namespace {

using cuda::Buffer;
using cuda::JpegJob;

constexpr std::size_t alignment = 256;
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Decoded pictures that are on the device at a time, unless a single one is larger.
constexpr std::size_t most_picture_bytes = std::size_t{1} << 30;
/// Scratch of all blocks, unless a single one needs more.
constexpr std::size_t most_scratch_bytes = std::size_t{1} << 28;

/// A picture of the part of a batch that is being made.
struct Picture {
  const data::Stored* stored = nullptr;
  const std::vector<Shown>* shown = nullptr;
  std::optional<std::string>* unusable = nullptr;
  bool on_device = false;  ///< decoded there
  data::Size size{0, 0};   ///< what the header says, until it is decoded on the host
  data::Image image;       ///< decoded on the host
  std::size_t place = 0;   ///< in the device's pictures
  [[nodiscard]] std::size_t bytes(std::int64_t channels) const { return static_cast<std::size_t>(size.height * size.width * channels); }
};

/// Memory that a part of a batch uses until the device is done with it.
struct Slot {
  Buffer pictures{Buffer::Kind::device}, tasks{Buffer::Kind::device};
  Buffer encoded{Buffer::Kind::pinned}, uploads{Buffer::Kind::pinned}, task_uploads{Buffer::Kind::pinned};
  cuda::Event done;
};

class CudaEngine : public Engine {
 public:
  CudaEngine(const EngineOptions& options, const c10::Stream& stream)
      : options_(options),
        torch_stream_(stream),
        stream_(static_cast<cudaStream_t>(c10::impl::VirtualGuardImpl(stream.device_type()).getStreamNativeHandle(stream))),
        decoder_(options.channels),
        blocks_(cuda::resident_blocks(options.channels, options.element)) {}
  ~CudaEngine() override { cudaStreamSynchronize(stream_); }
  CudaEngine(const CudaEngine&) = delete;
  CudaEngine& operator=(const CudaEngine&) = delete;

  std::vector<std::optional<std::string>> make(std::span<const data::Stored> pictures, std::span<const std::vector<Shown>> shown) override {
    std::vector<std::optional<std::string>> unusable(pictures.size());
    std::vector<Picture> part;
    std::size_t bytes = 0;
    const auto finish = [&] {
      if (!part.empty()) make_part(part);
      part.clear();
      bytes = 0;
    };
    for (std::size_t p = 0; p < pictures.size(); ++p) {
      if (shown[p].empty()) continue;
      Picture picture{&pictures[p], &shown[p], &unusable[p]};
      look_at(picture);
      if (bytes + picture.bytes(options_.channels) > most_picture_bytes) finish();
      bytes += picture.bytes(options_.channels);
      part.push_back(std::move(picture));
    }
    finish();
    return unusable;
  }

  [[nodiscard]] std::optional<c10::Stream> stream() const override { return torch_stream_; }

 private:
  EngineOptions options_;
  c10::Stream torch_stream_;
  cudaStream_t stream_;
  cuda::JpegDecoder decoder_;
  int blocks_;
  std::array<Slot, 2> slots_;  // one that the device works from, one that the host fills
  std::size_t turn_ = 0;
  Buffer scratch_{Buffer::Kind::device};

  // Where a picture is to be decoded, and its size as far as that is known before.
  void look_at(Picture& picture) {
    const data::Stored& stored = *picture.stored;
    if (stored.height > 0) {
      picture.size = {stored.height, stored.width};
    } else if (data::is_jpeg(stored.bytes)) {
      const data::JpegMarks marks = data::jpeg_marks(stored.bytes);
      picture.size = {marks.height, marks.width};
    }
    picture.on_device = suits_device(stored, options_.channels) && decoder_.supports(stored.bytes, picture.size.height, picture.size.width);
  }

  void make_part(std::vector<Picture>& part) {
    Slot& slot = slots_[turn_++ % slots_.size()];
    slot.done.wait();
    decode_on_host(part, [](const Picture& picture) { return !picture.on_device; });
    std::size_t end = 0;
    for (Picture& picture : part) {
      picture.place = end;
      if (!*picture.unusable) end += aligned(picture.bytes(options_.channels));
    }
    std::byte* const pictures = slot.pictures.room_for(end);
    decode_on_device(part, slot, pictures);
    upload(part, slot, pictures);
    make_views_of(part, slot, pictures);
    slot.done.record(stream_);
  }

  template <typename Which>
  void decode_on_host(std::vector<Picture>& part, const Which& which) {
    std::vector<Picture*> chosen;
    for (Picture& picture : part) {
      if (which(picture)) chosen.push_back(&picture);
    }
    counts_.on_host += std::ssize(chosen);
    core::parallel_for(std::ssize(chosen), 1, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Picture& picture = *chosen[static_cast<std::size_t>(i)];
        *picture.unusable = try_decode(*picture.stored, options_.channels, picture.image);
        picture.size = {picture.image.height, picture.image.width};
      }
    });
  }

  void decode_on_device(std::vector<Picture>& part, Slot& slot, std::byte* pictures) {
    // A copy, so that the caller's bytes need not outlive the call: when nvJPEG has read its input is not said.
    std::size_t bytes = 0;
    for (const Picture& picture : part) bytes += picture.on_device ? picture.stored->bytes.size() : 0;
    std::byte* at = slot.encoded.room_for(bytes);
    std::vector<JpegJob> jobs;
    std::vector<Picture*> of_job;
    for (Picture& picture : part) {
      if (!picture.on_device) continue;
      const std::span<const std::byte> from = picture.stored->bytes;
      std::memcpy(at, from.data(), from.size());
      jobs.push_back(
          {{at, from.size()}, picture.size.height, picture.size.width, reinterpret_cast<std::uint8_t*>(pictures + picture.place)});
      of_job.push_back(&picture);
      at += from.size();
    }
    const std::vector<std::size_t> refused = decoder_.decode(jobs, stream_);
    counts_.on_device += std::ssize(jobs) - std::ssize(refused);
    counts_.refused += std::ssize(refused);
    for (const std::size_t job : refused) of_job[job]->on_device = false;
    decode_on_host(part, [](const Picture& picture) { return !picture.on_device && picture.image.empty() && !*picture.unusable; });
  }

  // What the host has decoded.
  void upload(const std::vector<Picture>& part, Slot& slot, std::byte* pictures) {
    std::size_t bytes = 0;
    for (const Picture& picture : part) bytes += picture.image.pixels.size();
    std::byte* at = slot.uploads.room_for(bytes);
    for (const Picture& picture : part) {
      if (picture.on_device || *picture.unusable) continue;
      const std::size_t size = picture.image.pixels.size();
      std::memcpy(at, picture.image.pixels.data(), size);
      cuda::check(cudaMemcpyAsync(pictures + picture.place, at, size, cudaMemcpyHostToDevice, stream_), "copying a picture");
      at += size;
    }
  }

  void make_views_of(const std::vector<Picture>& part, Slot& slot, std::byte* pictures) {
    std::vector<ViewTask> tasks;
    std::vector<std::size_t> first_tap;
    std::vector<float> taps;
    for (const Picture& picture : part) {
      const std::size_t before = tasks.size();
      for (const Shown& one : *picture.shown) {
        if (*picture.unusable) break;
        first_tap.push_back(taps.size());
        Tasked made = task_of(one, picture.size, taps);
        made.task.picture = reinterpret_cast<const std::uint8_t*>(pictures + picture.place);
        tasks.push_back(made.task);
        *picture.unusable = made.unusable;
      }
      if (*picture.unusable) tasks.resize(before), first_tap.resize(before);
    }
    if (tasks.empty()) return;
    const std::size_t task_bytes = aligned(tasks.size() * sizeof(ViewTask)), bytes = task_bytes + taps.size() * sizeof(float);
    std::byte* const on_device = slot.tasks.room_for(bytes);
    std::byte* const here = slot.task_uploads.room_for(bytes);
    std::size_t stride = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      tasks[i].taps = reinterpret_cast<const float*>(on_device + task_bytes) + first_tap[i];
      stride = std::max(stride, scratch_bytes(tasks[i], options_.channels));
    }
    // Large views first: what is left at the end is then short.
    std::stable_sort(tasks.begin(), tasks.end(), [](const ViewTask& a, const ViewTask& b) { return a.size > b.size; });
    std::memcpy(here, tasks.data(), tasks.size() * sizeof(ViewTask));
    std::memcpy(here + task_bytes, taps.data(), taps.size() * sizeof(float));
    cuda::check(cudaMemcpyAsync(on_device, here, bytes, cudaMemcpyHostToDevice, stream_), "copying the views' parameters");
    const auto affordable = static_cast<std::int64_t>(std::max<std::size_t>(most_scratch_bytes / stride, 1));
    const auto blocks = static_cast<int>(std::min({static_cast<std::int64_t>(blocks_), std::ssize(tasks), affordable}));
    // The scratch may still be in use by the part before, of whose work a larger one must not be made.
    const std::size_t scratch = static_cast<std::size_t>(blocks) * stride;
    if (scratch > scratch_.size()) cuda::check(cudaStreamSynchronize(stream_), "work on the device");
    cuda::make_views(reinterpret_cast<const ViewTask*>(on_device), std::ssize(tasks), options_.normalisation, options_.channels,
                     options_.element, scratch_.room_for(scratch), stride, blocks, stream_);
  }
};

}  // namespace

std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& options, const c10::Device& device) {
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
  const c10::StreamGuard guard(stream);  // also makes the device this thread's
  return std::make_unique<CudaEngine>(options, stream);
}

}  // namespace selfsight::kernels
