// The views of a batch by a CUDA kernel: a block of threads a view. Its CPU twin is kernels::make_views.
#pragma once

#include "kernels/augment.h"

#include <cuda_runtime_api.h>

namespace selfsight::kernels::cuda {

/// Blocks of the kernel that the current device executes at a time.
int resident_blocks(std::int64_t channels, Element element);

/// Enqueues the views of `count` tasks on a stream. Tasks, their pointers and the scratch are the device's. `blocks` of them are made at a
/// time, each with `stride` bytes of `scratch`: as many as scratch_bytes() says for the largest task. Channels: 1 or 3.
void make_views(const ViewTask* tasks, std::int64_t count, const Normalisation& normalisation, std::int64_t channels, Element element,
                std::byte* scratch, std::size_t stride, int blocks, cudaStream_t stream);

}  // namespace selfsight::kernels::cuda
