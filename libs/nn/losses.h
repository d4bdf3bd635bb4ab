// Losses that several methods share. All return a scalar, the mean over rows, in float32 or better whatever the autocast state.
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>

namespace selfsight::nn {

/// While it lives, autocast is off: it would take products of similarities to half precision, where temperatures of 0.1 cost digits that
/// matter.
class FullPrecision {
 private:
  c10::impl::ExcludeDispatchKeyGuard guard_{c10::autocast_dispatch_keyset};
};
/// float32, or float64 where it was that.
torch::Tensor widened(const torch::Tensor& x);

/// Rows of N x D to unit length, in float32 or better.
torch::Tensor unit_rows(const torch::Tensor& x);

/// InfoNCE with a bank (MoCo, arXiv 1911.05722, equation 1): q, k N x D and negatives M x D, all of unit length.
/// -log( exp(q.k/tau) / (exp(q.k/tau) + sum_j exp(q.n_j/tau)) ). Gradients reach whatever requires them; detach what must not.
torch::Tensor info_nce(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& negatives, double tau);

/// NT-Xent (SimCLR, arXiv 2002.05709, equation 1) over the two views z1, z2 (N x D, any length: normalised inside) of one batch:
/// each row against its mate and all rows of other images, those of all ranks, to which gradients go too.
torch::Tensor nt_xent(const torch::Tensor& z1, const torch::Tensor& z2, double tau, const dist::Ranks& ranks = {});

/// - sum_c targets_c log softmax(logits)_c; targets N x C, rows that sum to 1.
torch::Tensor soft_cross_entropy(const torch::Tensor& targets, const torch::Tensor& logits);

/// 2 - 2 cos(p, z) (BYOL, arXiv 2006.07733, equation 2). z is not detached here.
torch::Tensor cosine_loss(const torch::Tensor& p, const torch::Tensor& z);
/// - cos(p, z) (SimSiam, arXiv 2011.10566, equation 1). z is not detached here.
torch::Tensor negative_cosine(const torch::Tensor& p, const torch::Tensor& z);

}  // namespace selfsight::nn
