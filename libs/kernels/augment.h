// The views of a batch: what a CUDA kernel makes (cuda/augment.h), and its CPU twin.
#pragma once

#include "kernels/view_task.h"

#include <span>

namespace selfsight::kernels {

enum class Element { float32, float16, bfloat16 };

/// Makes the views of all tasks, whose pointers are the host's, on up to `threads` threads. Channels: 1 or 3.
void make_views(std::span<const ViewTask> tasks, const Normalisation& normalisation, std::int64_t channels, Element element, int threads);

}  // namespace selfsight::kernels
