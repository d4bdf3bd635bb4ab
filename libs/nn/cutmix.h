// CutMix (Yun et al., ICCV 2019, arXiv 1905.04899) of whole batches: a box of the one in the other.
#pragma once

#include "core/rng.h"
#include "libtorch.h"

namespace selfsight::nn {

struct Mixed {
  torch::Tensor images;  ///< N x C x H x W, a copy
  double kept = 1;       ///< share of the pixels that are still those of the first batch, after the box was clipped to the image
};

/// `a` with the box that holds a share 1 - `share` of the area (before clipping) and is centred on pixel (`y`, `x`) taken from `b`.
/// a, b: N x C x H x W.
Mixed cut_mix(const torch::Tensor& a, const torch::Tensor& b, double share, std::int64_t y, std::int64_t x);
/// The same with the share from Beta(alpha, alpha) and a uniform centre: one box for the whole batch, as BINGO and HSA draw it.
Mixed cut_mix(const torch::Tensor& a, const torch::Tensor& b, double alpha, core::Rng& rng);

}  // namespace selfsight::nn
