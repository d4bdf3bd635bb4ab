// JPEG decoding on a device by nvJPEG.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace selfsight::kernels::cuda {

/// A picture to decode: its bytes, and where its height x width x channels values go on the device.
struct JpegJob {
  std::span<const std::byte> bytes;  ///< host; until the stream has come past the decoding
  std::int64_t height, width;
  std::uint8_t* out;
};

/// Uses the device's own JPEG engines where it has some, else its processors and the host's. Chroma is interpolated, as by libjpeg.
class JpegDecoder {
 public:
  /// For the current device. Channels: 1 (luma) or 3 (RGB). Error: internal where nvJPEG cannot be set up.
  explicit JpegDecoder(std::int64_t channels);
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Whether a picture that kernels::suits_device is also of a kind and size that this device decodes, and to nvJPEG of the height and
  /// width that our own look at its segments found: room is made by those, and nvJPEG fills as much as it takes the picture for.
  [[nodiscard]] bool supports(std::span<const std::byte> bytes, std::int64_t height, std::int64_t width);
  /// Enqueues the decoding of all of them on a stream. Returns the jobs that nvJPEG refused, in order; their places hold anything.
  std::vector<std::size_t> decode(std::span<const JpegJob> jobs, cudaStream_t stream);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace selfsight::kernels::cuda
