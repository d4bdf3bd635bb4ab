#include "kernels/cuda/augment.h"

#include "kernels/augment_block.h"
#include "kernels/cuda/memory.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace selfsight::kernels::cuda {
namespace {

constexpr int threads = 512, warps = threads / 32;

/// What executes make_view(): a block.
struct BlockRun {
  std::int32_t* partial;  ///< of each warp, in shared memory

  template <typename F>
  __device__ void for_each(std::int32_t count, const F& f) const {
    for (auto i = static_cast<std::int32_t>(threadIdx.x); i < count; i += threads) f(i);
    __syncthreads();
  }
  /// Of values that add up to less than 2^31 in a warp, as the luma of all of largest_view's pixels does.
  template <typename F>
  __device__ std::int64_t sum(std::int32_t count, const F& f) const {
    std::int32_t own = 0;
    for (auto i = static_cast<std::int32_t>(threadIdx.x); i < count; i += threads) own += f(i);
    for (int offset = 16; offset > 0; offset /= 2) own += __shfl_down_sync(0xFFFFFFFFU, own, offset);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = own;
    __syncthreads();
    std::int64_t all = 0;
    for (int warp = 0; warp < warps; ++warp) all += partial[warp];
    __syncthreads();  // the next sum may begin before the last thread has read this one's
    return all;
  }
};
static_assert(largest_view * largest_view / warps * 255 < (std::int64_t{1} << 31));

// Two blocks a multiprocessor leave a thread 64 registers, and the first-level cache more than half of the memory it shares with the
// blocks.
template <int channels, typename Out>
__global__ void __launch_bounds__(threads, 2)
    make_all(const ViewTask* tasks, std::int32_t count, Normalisation normalisation, std::byte* scratch, std::size_t stride) {
  __shared__ float middle[middle_values];
  __shared__ std::int32_t partial[warps];
  // Not in registers: all along the way some field of it is read, and they are too many.
  __shared__ __align__(16) unsigned char held[sizeof(ViewTask)];
  for (auto at = static_cast<std::int32_t>(blockIdx.x); at < count; at += static_cast<std::int32_t>(gridDim.x)) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(tasks + at);
    for (unsigned i = threadIdx.x; i < sizeof held; i += threads) held[i] = bytes[i];
    __syncthreads();
    make_view<channels, Out>(BlockRun{partial}, *reinterpret_cast<const ViewTask*>(held), normalisation, middle,
                             scratch + blockIdx.x * stride);
    __syncthreads();
  }
}

using Kernel = void (*)(const ViewTask*, std::int32_t, Normalisation, std::byte*, std::size_t);

template <int channels>
Kernel kernel_of(Element element) {
  if (element == Element::float16) return make_all<channels, __half>;
  if (element == Element::bfloat16) return make_all<channels, __nv_bfloat16>;
  return make_all<channels, float>;
}

Kernel kernel_of(std::int64_t channels, Element element) { return channels == 1 ? kernel_of<1>(element) : kernel_of<3>(element); }

}  // namespace

int resident_blocks(std::int64_t channels, Element element) {
  int device = 0, processors = 0, blocks = 0;
  check(cudaGetDevice(&device), "the device");
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), "the device's multiprocessors");
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel_of(channels, element), threads, 0), "the kernel of the views");
  return processors * blocks;
}

void make_views(const ViewTask* tasks, std::int64_t count, const Normalisation& normalisation, std::int64_t channels, Element element,
                std::byte* scratch, std::size_t stride, int blocks, cudaStream_t stream) {
  if (count == 0) return;
  kernel_of(channels, element)<<<static_cast<unsigned>(blocks), threads, 0, stream>>>(tasks, static_cast<std::int32_t>(count),
                                                                                      normalisation, scratch, stride);
  check(cudaGetLastError(), "the kernel of the views");
}

}  // namespace selfsight::kernels::cuda
