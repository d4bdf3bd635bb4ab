#include "nn/statistics.h"

#include "nn/losses.h"

#include <limits>

namespace selfsight::nn {

double feature_std(const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  return unit_rows(x).std(0).mean().item<double>();
}

double effective_rank(const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor wide = x.to(torch::kCPU, torch::kFloat64);
  if (!wide.isfinite().all().item<bool>()) return std::numeric_limits<double>::quiet_NaN();
  // Squared singular values as eigenvalues of the smaller Gram matrix: much faster, and what is lost below 1e-8 has no entropy.
  const torch::Tensor gram = wide.size(0) < wide.size(1) ? wide.matmul(wide.t()) : wide.t().matmul(wide);
  const torch::Tensor singular = at::linalg_eigvalsh(gram).clamp_min(0).sqrt();
  const double sum = singular.sum().item<double>();
  if (sum <= 0) return 0;
  return at::special_entr(singular / sum).sum().exp().item<double>();
}

}  // namespace selfsight::nn
