// The data path's device half: from encoded pictures and what was drawn for their views to normalised tensors, decoding and augmentation on
// a CUDA device. On a CPU it does the same, by the CPU twin of the kernel.
#pragma once

#include "kernels/engine.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace c10 {
struct Event;
}

namespace selfsight::kernels {

/// One view of a batch: of which of the batch's pictures, and what was drawn for it. The picture's size must be the drawn geometry's.
struct Request {
  std::size_t picture;
  data::Drawn drawn;
};

/// A picture that cannot be used, and why, as in the loader's messages: "NAME: damaged or truncated JPEG: ..." without the name.
struct Unusable {
  std::size_t picture;
  std::string reason;
};

/// Views under way.
struct ViewsUnderWay {
  std::vector<at::Tensor> views;  ///< of each recipe N x C x S x S in channels-last memory; what bad pictures should show is 0
  std::vector<Unusable> bad;      ///< in order of picture; what is shown instead is the caller's to decide
  std::shared_ptr<c10::Event> made;
};

struct DeviceViewsOptions {
  std::vector<data::Recipe> recipes;  ///< one a view; their `size` must be set
  std::int64_t channels = 3;          ///< 1 or 3
  std::vector<double> mean, stddev;   ///< per channel, of values of 0..1
  at::ScalarType dtype = at::kFloat;  ///< kFloat, kHalf or kBFloat16
  c10::Device device = at::kCPU;
  int threads = 0;  ///< of the host, for what it decodes; 0: one per processor
};

class DeviceViews {
 public:
  /// Error: usage for a view larger than largest_view, or for a CUDA device in a build without CUDA.
  explicit DeviceViews(DeviceViewsOptions options);
  ~DeviceViews();
  DeviceViews(const DeviceViews&) = delete;
  DeviceViews& operator=(const DeviceViews&) = delete;

  /// Begins the views of a batch, on a stream of its own: a batch can be made while the model computes on the one before. requests[v] are
  /// those of recipe v, in order of their place in the batch. Not to be called by two threads at a time. A picture that does not decode is
  /// listed as bad. Errors: internal (device memory, a request that does not fit its picture).
  ViewsUnderWay make(std::span<const data::Stored> pictures, std::span<const std::vector<Request>> requests);
  /// Lets the current stream of the calling thread wait for the views, which are then its own.
  std::vector<at::Tensor> take(const ViewsUnderWay& under_way) const;
  /// Since the beginning.
  [[nodiscard]] const DecodeCounts& counts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace selfsight::kernels
