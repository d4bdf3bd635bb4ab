#include "nn/vocabulary.h"

#include "core/error.h"
#include "nn/losses.h"
#include "nn/to_device.h"

#include <algorithm>

namespace selfsight::nn {

Vocabulary::Vocabulary(const VocabularyOptions& options) : options_(options) {
  if (options.words < 1 || options.dim < 1)
    core::fail(core::Exit::usage, "a vocabulary of {} words of {} values cannot be", options.words, options.dim);
  ring_ = register_module("ring", std::make_shared<Queue>(torch::randn({options.words, options.dim}).clamp_min_(0)));
  distance_ = register_buffer("distance", torch::full({}, options.distance));
}

torch::Tensor Vocabulary::bags(const torch::Tensor& maps) {
  const torch::NoGradGuard no_grad;
  const FullPrecision guard;
  const torch::Tensor places = widened(maps).flatten(2).transpose(1, 2);  // N x places x dim
  const torch::Tensor words = this->words().to(places.scalar_type());
  torch::Tensor d = torch::matmul(places, words.t()).mul_(-2).add_(words.square().sum(1)).add_(places.square().sum(2, /*keepdim=*/true));
  d.clamp_min_(0);  // what rounding leaves of a place that is a word
  torch::Tensor mu = next_distance_.defined() ? next_distance_ : distance_;
  if (is_training()) {
    mu = mu * options_.momentum + ranks_.mean(d.amin(2).mean()) * (1 - options_.momentum);
    next_distance_ = mu;
  }
  const torch::Tensor codes = torch::softmax(d.mul_(-options_.kappa / mu), 2);
  const torch::Tensor bag = options_.pool == "max" ? codes.amax(1) : codes.mean(1);
  return bag / bag.sum(1, /*keepdim=*/true);
}

void Vocabulary::stage(const torch::Tensor& maps) {
  const torch::NoGradGuard no_grad;
  if (options_.fixed && ring_->full()) return;
  torch::Tensor given = widened(maps);
  if (options_.word == "local")
    given = torch::avg_pool2d(given, {std::min<std::int64_t>(3, given.size(2)), std::min<std::int64_t>(3, given.size(3))}, /*stride=*/1);
  if (options_.word == "global") given = given.mean({2, 3}, /*keepdim=*/true);
  given = given.flatten(2);
  const torch::Tensor place =
      to_device(ranks_.own_rows(torch::randint(given.size(2), {ranks_.whole(given.size(0)), 1, 1}, torch::kInt64)), given.device());
  ring_->stage(given.gather(2, place.expand({-1, given.size(1), 1})).squeeze(2).to(words().scalar_type()));
}

void Vocabulary::commit() {
  const torch::NoGradGuard no_grad;
  if (next_distance_.defined()) distance_.copy_(next_distance_);
  next_distance_ = torch::Tensor();
  ring_->commit();
}

void Vocabulary::discard() {
  next_distance_ = torch::Tensor();
  ring_->discard();
}

torch::Tensor perplexity(const torch::Tensor& bags) { return (-torch::xlogy(bags, bags).sum(1)).exp().mean(); }

}  // namespace selfsight::nn
