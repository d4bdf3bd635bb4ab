// Memory and events of CUDA, owned.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

namespace selfsight::kernels::cuda {

/// Error: internal, saying what failed and why.
void check(cudaError_t status, const char* what);

/// Memory of a device, or pinned memory of the host, that grows to the largest size it was asked for (a half more than it had, at least,
/// so that a run grows it a few times only) and is used again after that.
class Buffer {
 public:
  enum class Kind { device, pinned };
  explicit Buffer(Kind kind) : kind_(kind), memory_(nullptr, kind == Kind::device ? cudaFree : cudaFreeHost) {}
  /// At least `bytes`; what was there is lost where they are new. Nothing may be using the old ones.
  std::byte* room_for(std::size_t bytes);
  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_.get()); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  Kind kind_;
  std::unique_ptr<void, cudaError_t (*)(void*)> memory_;
  std::size_t size_ = 0;
};

/// A point in the work of a stream.
class Event {
 public:
  Event();
  void record(cudaStream_t stream) { check(cudaEventRecord(event_.get(), stream), "an event"); }
  /// Until the work before the last record() is done; at once without one.
  void wait() { check(cudaEventSynchronize(event_.get()), "work on the device"); }

 private:
  std::unique_ptr<CUevent_st, cudaError_t (*)(cudaEvent_t)> event_;
};

}  // namespace selfsight::kernels::cuda
