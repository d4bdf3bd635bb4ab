#include "train/recording.h"

#include "core/module.h"

namespace selfsight::train {

std::unique_ptr<Recording> make_recording() {
#ifdef SELFSIGHT_CUDA
  using Make = Recording* (*)();
  return std::unique_ptr<Recording>(
      reinterpret_cast<Make>(core::open_module("selfsight_recording.so", "selfsight_make_recording", "recorded steps on a GPU"))());
#else
  return nullptr;
#endif
}

}  // namespace selfsight::train
