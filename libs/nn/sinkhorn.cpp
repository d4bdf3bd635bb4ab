#include "nn/sinkhorn.h"

#include <cmath>

namespace selfsight::nn {

torch::Tensor sinkhorn(const torch::Tensor& scores, double epsilon, std::int64_t iterations, const dist::Ranks& ranks) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor wide = scores.scalar_type() == torch::kFloat64 ? scores : scores.to(torch::kFloat32);
  torch::Tensor log_q = wide / epsilon;
  const torch::Tensor samples = torch::full({}, static_cast<double>(scores.size(0)), torch::kFloat64);
  ranks.sum_(samples);
  const double log_samples = std::log(samples.item<double>()), log_prototypes = std::log(static_cast<double>(scores.size(1)));
  // The division by the total that comes first in the paper's code cancels in the first normalisation.
  for (std::int64_t i = 0; i < iterations; ++i) {
    log_q = log_q - torch::logsumexp(ranks.gather(torch::logsumexp(log_q, 0, /*keepdim=*/true)), 0, /*keepdim=*/true) - log_prototypes;
    log_q = log_q - torch::logsumexp(log_q, 1, /*keepdim=*/true) - log_samples;
  }
  return torch::softmax(log_q, 1);
}

}  // namespace selfsight::nn
