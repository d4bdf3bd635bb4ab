// Work of a GPU that is recorded once and then done again with one launch (a CUDA graph): what the processor needs for launching the many
// kernels of a step, which a small batch waits for, is saved.
#pragma once

#include <functional>
#include <memory>

namespace selfsight::train {

class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  virtual ~Recording() = default;
  /// Notes down what `work` launches, without doing any of it. The tensors that it makes stay where they are for as long as this lives, and
  /// each replay() writes to them again. Errors (of LibTorch) for work that waits for the device or copies from plain memory of the host.
  virtual void record(const std::function<void()>& work) = 0;
  /// Does what was recorded, in the order of the current stream.
  virtual void replay() = 0;
};

/// For the current GPU; none in a build without CUDA. The CUDA half of LibTorch must be open already.
std::unique_ptr<Recording> make_recording();

}  // namespace selfsight::train
