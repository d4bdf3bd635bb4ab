// CUDA graphs by LibTorch, as a module: only it links the CUDA half.
#include "train/recording.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace selfsight::train {

namespace {

class CudaGraph : public Recording {
 public:
  void record(const std::function<void()>& work) override {
    c10::cuda::device_synchronize();
    // While work is recorded the allocator gives nothing back that it holds for the steps before.
    c10::cuda::CUDACachingAllocator::emptyCache();
    const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
    // The default stream cannot be recorded.
    const c10::cuda::CUDAStreamGuard stream(c10::cuda::getStreamFromPool());
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const std::exception&) {  // a recording that failed leaves the allocator in its pool
        c10::cuda::CUDACachingAllocator::endAllocateToPool(c10::cuda::current_device(), pool);
        c10::cuda::CUDACachingAllocator::releasePool(c10::cuda::current_device(), pool);
      }
      throw;
    }
    graph_.capture_end();
  }
  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace

}  // namespace selfsight::train

extern "C" selfsight::train::Recording* selfsight_make_recording() { return std::make_unique<selfsight::train::CudaGraph>().release(); }
