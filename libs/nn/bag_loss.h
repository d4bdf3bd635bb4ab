// The loss of BINGO (arXiv 2107.01691, section 3.3) and of HSA (arXiv 2012.02733): an anchor, a mate from its bag and a mixture of both,
// each drawn to the keys of anchor and mate, every positive contrasted alone with the queue.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

struct BagQueries {
  torch::Tensor anchor, mate;  ///< u_a, u_b: N x D, unit rows
  torch::Tensor mix;           ///< u_c, of the CutMix of both; undefined: that term is left out
};

struct BagWeights {
  double own = 1;    ///< l1, of a sample's own key
  double other = 0;  ///< l2, of the other one's
  double kept = 1;   ///< lam_c, the anchor's share of the mixture
};

/// (L_a + L_b + L_c) / 3, without the mixture (L_a + L_b) / 2, with L_a = l1 l(u_a, k_a) + l2 l(u_a, k_b), L_b = l1 l(u_b, k_b) +
/// l2 l(u_b, k_a), L_c = lam_c l(u_c, k_a) + (1 - lam_c) l(u_c, k_b) and l InfoNCE (nn/losses.h). key_anchor, key_mate: N x D, negatives
/// K x D, unit rows. A scalar in float32 or better; gradients reach whatever requires them.
torch::Tensor bag_loss(const BagQueries& queries, const torch::Tensor& key_anchor, const torch::Tensor& key_mate,
                       const torch::Tensor& negatives, const BagWeights& weights, double tau);

}  // namespace selfsight::nn
