// For tests that need a GPU.
#pragma once

#include "libtorch.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

namespace selfsight::test {

/// Opens the CUDA half of LibTorch; says so where nothing can be tested.
inline bool has_cuda_device() {
  const bool found = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) != nullptr && torch::cuda::is_available();
  if (!found) MESSAGE("no CUDA device: nothing is tested");
  return found;
}

}  // namespace selfsight::test
