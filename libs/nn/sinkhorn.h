// Balanced soft assignments (SwAV, arXiv 2006.09882, section 3.1, equations 3 to 5).
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>

namespace selfsight::nn {

/// Scores B x K of samples against prototypes -> assignments B x K whose rows sum to 1 and whose columns sum to about B/K.
/// exp(scores / epsilon); then `iterations` times: every prototype to a total of 1/K, every sample to 1/B; at last samples to 1.
/// 0 iterations: softmax(scores / epsilon). Works on logarithms, so no epsilon overflows; half precision is computed in float32. No
/// gradient. Of several ranks the samples are those of all, whose numbers may differ.
torch::Tensor sinkhorn(const torch::Tensor& scores, double epsilon, std::int64_t iterations, const dist::Ranks& ranks = {});

}  // namespace selfsight::nn
