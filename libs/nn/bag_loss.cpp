#include "nn/bag_loss.h"

#include "nn/losses.h"

namespace selfsight::nn {

namespace {

/// w1 l(u, k1) + w2 l(u, k2). The sum over the queue is the same for both positives and is made once: the queue is the large part.
torch::Tensor two_positives(const torch::Tensor& u, const torch::Tensor& k1, double w1, const torch::Tensor& k2, double w2,
                            const torch::Tensor& negatives, double tau) {
  const torch::Tensor query = widened(u);
  const torch::Tensor rest = torch::logsumexp(torch::matmul(query, widened(negatives).t()) / tau, 1);
  const auto one = [&](const torch::Tensor& key) {
    const torch::Tensor positive = (query * widened(key)).sum(1) / tau;
    return (torch::logaddexp(positive, rest) - positive).mean();
  };
  // A weight of 0 leaves its key out: 0 times something not finite would not be nothing.
  torch::Tensor loss = w1 != 0 ? w1 * one(k1) : torch::zeros({}, query.options());
  if (w2 != 0) loss = loss + w2 * one(k2);
  return loss;
}

}  // namespace

torch::Tensor bag_loss(const BagQueries& queries, const torch::Tensor& key_anchor, const torch::Tensor& key_mate,
                       const torch::Tensor& negatives, const BagWeights& weights, double tau) {
  const FullPrecision guard;
  const torch::Tensor pair = two_positives(queries.anchor, key_anchor, weights.own, key_mate, weights.other, negatives, tau) +
                             two_positives(queries.mate, key_mate, weights.own, key_anchor, weights.other, negatives, tau);
  if (!queries.mix.defined()) return pair / 2;
  return (pair + two_positives(queries.mix, key_anchor, weights.kept, key_mate, 1 - weights.kept, negatives, tau)) / 3;
}

}  // namespace selfsight::nn
