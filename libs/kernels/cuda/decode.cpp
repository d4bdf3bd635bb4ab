#include "kernels/cuda/decode.h"

#include "core/error.h"

#include <nvjpeg.h>

#include <type_traits>

namespace selfsight::kernels::cuda {
namespace {

template <auto destroy>
struct Destroy {
  template <typename T>
  void operator()(T* handle) const {
    destroy(handle);
  }
};
template <typename Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;

void check(nvjpegStatus_t status, const char* what) {
  if (status != NVJPEG_STATUS_SUCCESS) core::fail(core::Exit::internal, "nvJPEG: {} failed (status {})", what, static_cast<int>(status));
}

const unsigned char* data_of(std::span<const std::byte> bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

}  // namespace

struct JpegDecoder::State {
  std::int64_t channels = 3;
  Owned<nvjpegHandle_t, nvjpegDestroy> library;
  Owned<nvjpegJpegState_t, nvjpegJpegStateDestroy> batch;
  Owned<nvjpegJpegStream_t, nvjpegJpegStreamDestroy> header;
  std::vector<const unsigned char*> bytes;
  std::vector<std::size_t> lengths;
  std::vector<nvjpegImage_t> images;

  [[nodiscard]] nvjpegStatus_t decode(std::span<const JpegJob> jobs, cudaStream_t stream);
};

JpegDecoder::JpegDecoder(std::int64_t channels) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.channels = channels;
  // Strict: what is not by the book goes to libjpeg, which decides what an error is. No pipeline: it would hold back the last pictures of
  // a batch until the next one comes.
  constexpr unsigned flags =
      NVJPEG_FLAGS_UPSAMPLING_WITH_INTERPOLATION | NVJPEG_FLAGS_BITSTREAM_STRICT | NVJPEG_FLAGS_HW_DECODE_NO_PIPELINE;
  nvjpegHandle_t library = nullptr;
  if (nvjpegCreateEx(NVJPEG_BACKEND_HARDWARE, nullptr, nullptr, flags, &library) != NVJPEG_STATUS_SUCCESS)
    check(nvjpegCreateEx(NVJPEG_BACKEND_GPU_HYBRID, nullptr, nullptr, flags, &library), "setting up the decoder");
  s.library.reset(library);
  nvjpegJpegState_t batch = nullptr;
  check(nvjpegJpegStateCreate(library, &batch), "setting up the decoder");
  s.batch.reset(batch);
  nvjpegJpegStream_t header = nullptr;
  check(nvjpegJpegStreamCreate(library, &header), "setting up the decoder");
  s.header.reset(header);
}

JpegDecoder::~JpegDecoder() = default;

bool JpegDecoder::supports(std::span<const std::byte> bytes, std::int64_t height, std::int64_t width) {
  State& s = *state_;
  int verdict = 1;  // 0 means yes
  unsigned theirs_across = 0, theirs_down = 0;
  return nvjpegJpegStreamParseHeader(s.library.get(), data_of(bytes), bytes.size(), s.header.get()) == NVJPEG_STATUS_SUCCESS &&
         nvjpegJpegStreamGetFrameDimensions(s.header.get(), &theirs_across, &theirs_down) == NVJPEG_STATUS_SUCCESS &&
         theirs_across == width && theirs_down == height &&
         nvjpegDecodeBatchedSupported(s.library.get(), s.header.get(), &verdict) == NVJPEG_STATUS_SUCCESS && verdict == 0;
}

nvjpegStatus_t JpegDecoder::State::decode(std::span<const JpegJob> jobs, cudaStream_t stream) {
  bytes.clear(), lengths.clear(), images.clear();
  for (const JpegJob& job : jobs) {
    bytes.push_back(data_of(job.bytes));
    lengths.push_back(job.bytes.size());
    nvjpegImage_t image{};
    image.channel[0] = job.out;
    image.pitch[0] = static_cast<std::size_t>(job.width * channels);
    images.push_back(image);
  }
  constexpr int host_threads = 1;
  const auto format = channels == 1 ? NVJPEG_OUTPUT_Y : NVJPEG_OUTPUT_RGBI;
  const nvjpegStatus_t status =
      nvjpegDecodeBatchedInitialize(library.get(), batch.get(), static_cast<int>(jobs.size()), host_threads, format);
  if (status != NVJPEG_STATUS_SUCCESS) return status;
  return nvjpegDecodeBatched(library.get(), batch.get(), bytes.data(), lengths.data(), images.data(), stream);
}

std::vector<std::size_t> JpegDecoder::decode(std::span<const JpegJob> jobs, cudaStream_t stream) {
  std::vector<std::size_t> refused;
  if (jobs.empty() || state_->decode(jobs, stream) == NVJPEG_STATUS_SUCCESS) return refused;
  // A batch fails as a whole and does not say where, so each picture is tried by itself.
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (state_->decode(jobs.subspan(i, 1), stream) != NVJPEG_STATUS_SUCCESS) refused.push_back(i);
  }
  return refused;
}

}  // namespace selfsight::kernels::cuda
