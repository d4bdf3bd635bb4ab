#include "kernels/cuda/memory.h"

#include "core/error.h"

#include <c10/cuda/CUDACachingAllocator.h>

#include <algorithm>

namespace selfsight::kernels::cuda {

void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) core::fail(core::Exit::internal, "CUDA: {}: {}", what, cudaGetErrorString(status));
}

std::byte* Buffer::room_for(std::size_t bytes) {
  if (bytes <= size_) return data();
  const std::size_t wanted = std::max(bytes, size_ + size_ / 2);
  memory_.reset();
  size_ = 0;
  void* made = nullptr;
  const auto allocate = [&](std::size_t size) {
    return kind_ == Kind::device ? cudaMalloc(&made, size) : cudaHostAlloc(&made, size, cudaHostAllocDefault);
  };
  cudaError_t status = allocate(wanted);
  if (status == cudaErrorMemoryAllocation && kind_ == Kind::device) {
    // LibTorch may hold memory that it does not use.
    cudaGetLastError();
    c10::cuda::CUDACachingAllocator::emptyCache();
    status = allocate(bytes);
    size_ = status == cudaSuccess ? bytes : 0;
  } else if (status == cudaSuccess) {
    size_ = wanted;
  }
  if (status != cudaSuccess) {
    core::fail(core::Exit::internal, "CUDA: no room for {} MiB of {} memory: {}", bytes >> 20,
               kind_ == Kind::device ? "the device's" : "pinned", cudaGetErrorString(status));
  }
  memory_.reset(made);
  return data();
}

Event::Event() : event_(nullptr, cudaEventDestroy) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "an event");
  event_.reset(event);
}

}  // namespace selfsight::kernels::cuda
