// What DeviceViews hands its work to: the host, or a CUDA device.
#pragma once

#include "kernels/augment.h"

#include <c10/core/Stream.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace selfsight::kernels {

/// Where pictures were decoded.
struct DecodeCounts {
  std::int64_t on_device = 0;
  std::int64_t on_host = 0;  ///< pictures that do not suit the device, and those it refused
  std::int64_t refused = 0;  ///< by the device, though they seemed to suit it
};

/// A view of a picture, and where it goes in the engine's memory.
struct Shown {
  const data::Recipe* recipe;
  const data::Drawn* drawn;
  std::byte* out;
};

struct EngineOptions {
  std::int64_t channels = 3;
  Normalisation normalisation;
  Element element = Element::float32;
  int threads = 1;  ///< of the host
};

class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  /// Decodes each picture that is shown and makes its views, or begins to. Returns for each why it cannot be used, if so. But for `out`,
  /// what the spans lead to need not stay after that.
  virtual std::vector<std::optional<std::string>> make(std::span<const data::Stored> pictures,
                                                       std::span<const std::vector<Shown>> shown) = 0;
  /// That the work is put on; none where it is done when make() returns.
  [[nodiscard]] virtual std::optional<c10::Stream> stream() const { return std::nullopt; }
  [[nodiscard]] const DecodeCounts& counts() const { return counts_; }

 protected:
  DecodeCounts counts_;
};

/// What must be known before a picture can be handed to a device's decoder: a baseline JPEG of 8 bits whose pixels, upright as they are,
/// have three values of luma and chroma, or one and `channels` is 1; not larger than max_pixels, nor cut short. A device may support less.
bool suits_device(const data::Stored& stored, std::int64_t channels);

/// Decodes to `channels` channels. Returns why that cannot be done, if so: empty, truncated, damaged, of unknown format, too large.
std::optional<std::string> try_decode(const data::Stored& stored, std::int64_t channels, data::Image& out);

/// The task of a view of a whole picture of this size, its taps appended to `taps`, or why there is none. Error: internal where the view
/// was drawn for a picture of another size.
struct Tasked {
  ViewTask task;
  std::optional<std::string> unusable;
};
Tasked task_of(const Shown& shown, const data::Size& picture, std::vector<float>& taps);

std::unique_ptr<Engine> make_host_engine(const EngineOptions& options);
/// With all work on a stream of its own. Error: usage in a build without CUDA.
std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& options, const c10::Device& device);

}  // namespace selfsight::kernels
