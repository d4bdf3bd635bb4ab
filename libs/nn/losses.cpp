#include "nn/losses.h"

#include <limits>

namespace selfsight::nn {

torch::Tensor widened(const torch::Tensor& x) { return x.scalar_type() == torch::kFloat64 ? x : x.to(torch::kFloat32); }

namespace {

torch::Tensor cosine(const torch::Tensor& p, const torch::Tensor& z) { return (unit_rows(p) * unit_rows(z)).sum(1); }

}  // namespace

torch::Tensor unit_rows(const torch::Tensor& x) {
  return torch::nn::functional::normalize(widened(x), torch::nn::functional::NormalizeFuncOptions().dim(1));
}

torch::Tensor info_nce(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& negatives, double tau) {
  const FullPrecision guard;
  const torch::Tensor query = widened(q);
  const torch::Tensor positive = (query * widened(k)).sum(1, /*keepdim=*/true);
  const torch::Tensor logits = torch::cat({positive, torch::matmul(query, widened(negatives).t())}, 1) / tau;
  return -torch::log_softmax(logits, 1).select(1, 0).mean();
}

torch::Tensor nt_xent(const torch::Tensor& z1, const torch::Tensor& z2, double tau, const dist::Ranks& ranks) {
  const FullPrecision guard;
  const std::int64_t local = z1.size(0), all = ranks.whole(local), offset = ranks.rank() * local;
  const torch::Tensor own1 = unit_rows(z1), own2 = unit_rows(z2), rows = torch::cat({own1, own2});
  const torch::Tensor others = ranks.alone() ? rows : torch::cat({ranks.gather_with_gradient(own1), ranks.gather_with_gradient(own2)});
  const auto index = torch::TensorOptions().dtype(torch::kInt64).device(rows.device());
  const torch::Tensor place = torch::arange(offset, offset + local, index);
  const torch::Tensor self = torch::cat({place, place + all}), mate = torch::cat({place + all, place});
  // The similarity of a row to itself is taken out of the sum, not set to zero.
  const torch::Tensor logits =
      (torch::matmul(rows, others.t()) / tau).scatter(1, self.unsqueeze(1), -std::numeric_limits<double>::infinity());
  return torch::cross_entropy_loss(logits, mate);
}

torch::Tensor soft_cross_entropy(const torch::Tensor& targets, const torch::Tensor& logits) {
  return -(targets * torch::log_softmax(widened(logits), 1)).sum(1).mean();
}

torch::Tensor cosine_loss(const torch::Tensor& p, const torch::Tensor& z) { return 2.0 - 2.0 * cosine(p, z).mean(); }
torch::Tensor negative_cosine(const torch::Tensor& p, const torch::Tensor& z) { return -cosine(p, z).mean(); }

}  // namespace selfsight::nn
