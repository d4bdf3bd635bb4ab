// Numbers that show a collapse before the accuracy does.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

/// Mean over the D dimensions of the standard deviation of L2-normalised rows of N x D (SimSiam, arXiv 2011.10566, section 4.1):
/// near 1/sqrt(D) when they are spread evenly, 0 when they have collapsed.
double feature_std(const torch::Tensor& x);

/// exp of the entropy of the singular values of N x D divided by their sum (Roy and Vetterli, 2007; RankMe, arXiv 2210.02885): 1 to min(N,
/// D); 0 for a matrix of zeros, NaN where a value is not finite.
double effective_rank(const torch::Tensor& x);

}  // namespace selfsight::nn
