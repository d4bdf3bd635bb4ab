// CUDA graphs by LibTorch, as a module: only it links the CUDA half.
#include "train/recording.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace selfsight::train {

namespace {

class CudaGraph : public Recording {
 public:
  void record(const std::function<void()>& work) override {
    c10::cuda::device_synchronize();
    // The default stream cannot be recorded.
    const c10::cuda::CUDAStreamGuard stream(c10::cuda::getStreamFromPool());
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();  // also takes the allocator out of the recording
      } catch (const std::exception&) {
        // says again that the recording failed
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
