// Multinomial logistic regression with an L2 penalty, many problems at once: the folds of a cross-validation and the strengths of a path
// share the samples, so that one matrix product serves all of them.
#pragma once

#include "libtorch.h"

#include <cstdint>
#include <vector>

namespace selfsight::tasks {

struct LogisticOptions {
  std::int64_t iterations = 200;  ///< of L-BFGS, at most
  double tolerance = 1e-5;        ///< on the largest component of the gradient
};

/// Problem p minimises  sum_n w_np CE(x_n W_p + b_p, y_n) / sum_n w_np + strength_p / 2 |W_p|^2; the bias is not penalised.
/// scikit-learn's C is 1 / (strength N).
struct LogisticFit {
  torch::Tensor weight;           ///< P x D x C, dtype and device of x
  torch::Tensor bias;             ///< P x C
  std::vector<double> objective;  ///< at the end, one a problem
  std::int64_t iterations = 0;    ///< of the slowest problem
};

/// x: N x D floating, y: N int64 in 0 .. classes - 1, weights: N x P (undefined: 1 everywhere). L-BFGS (Liu and Nocedal 1989, ten pairs)
/// with backtracking (sufficient decrease), each problem with its own step. Rows are taken in slices, so memory does not grow with N P C.
LogisticFit fit_logistic(const torch::Tensor& x, const torch::Tensor& y, std::int64_t classes, const std::vector<double>& strengths,
                         const torch::Tensor& weights, const LogisticOptions& options);

/// What a probe on few labels is made of: a strength chosen inside the labelled samples, and the classifier fitted on all of them.
struct ProbeFit {
  torch::Tensor weight, bias;  ///< D x C and C, for features as they were given
  double strength = 0;
  std::int64_t folds = 0;      ///< of the cross-validation; 0: too few samples of a class, the middle strength was taken
  std::vector<double> scores;  ///< mean held-out accuracy, one a strength
};

/// Cross-validation over stratified folds (5, fewer when a class has fewer samples; above `large` samples one held-out fifth instead),
/// choosing the most accurate strength (of equals the one with the lower held-out loss), then a fit on all rows. x: N x D, already
/// standardised; the work is done in float64 for up to `large` samples. With fewer samples than features the problem is rotated into the
/// samples' span first, which changes nothing but the time.
ProbeFit fit_probe(const torch::Tensor& x, const torch::Tensor& y, std::int64_t classes, const std::vector<double>& strengths,
                   std::uint64_t seed, std::uint64_t draw, const LogisticOptions& options, std::int64_t large = 5000);

}  // namespace selfsight::tasks
