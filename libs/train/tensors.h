// From the loader's 8-bit batches to normalised tensors.
#pragma once

#include "data/loader.h"
#include "libtorch.h"

#include <vector>

namespace selfsight::train {

/// Per channel, on values of 0..1.
struct Normalisation {
  std::vector<double> mean, stddev;
};

/// Mean and standard deviation of ImageNet for colour; (0.5, 0.5) for grey images.
Normalisation usual_normalisation(std::int64_t channels);

/// N x C x H x W float32 on `device`, in channels-last memory (for C > 1), which is the layout the pixels already have; of clips of more
/// than one frame N x C x T x H x W.
torch::Tensor to_tensor(const data::ViewBatch& view, const Normalisation& normalisation, const torch::Device& device);

/// To be called once before the work: LibTorch computes on `threads` threads (0: one per processor), and memory that was freed stays with
/// the process, because giving every activation back to the kernel and taking it again costs page faults (see tests/bench/README.md).
void prepare_cpu(std::int64_t threads);

/// "cpu" or "cuda[:N]"; loads the CUDA half of LibTorch when it is asked for. Error: usage when there is no such device.
torch::Device open_device(const std::string& name);

}  // namespace selfsight::train
