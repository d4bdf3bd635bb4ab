// SimCLR, BYOL and SimSiam as wholes; their losses are tested in nn.
#include "nn/heads.h"
#include "unit/methods/runs.h"

#include <cmath>

using namespace selfsight;
using test::Built;

TEST_CASE("simclr: identical embeddings cost ln(2N - 1), and swapping the views changes nothing") {
  Built built("simclr", {{"dim", 16}});
  auto* pair = dynamic_cast<train::PairMethod*>(built.method.get());
  REQUIRE(pair != nullptr);
  const torch::Tensor same = torch::ones({256, 16});
  CHECK(pair->compare({same, same}, built.progress).loss.item<double>() == doctest::Approx(6.23637).epsilon(1e-5));
  torch::manual_seed(2);
  const torch::Tensor a = torch::randn({8, 16}), b = torch::randn({8, 16});
  CHECK(pair->compare({a, b}, built.progress).loss.item<double>() ==
        doctest::Approx(pair->compare({b, a}, built.progress).loss.item<double>()).epsilon(1e-6));
  built.step({Built::images(1), Built::images(2)}).loss.backward();
  for (const auto& item : built.method->named_parameters()) {  // both views, one network; the output's normalisation has no bias to train
    CAPTURE(item.key());
    CHECK(item.value().grad().defined() == (item.key() != "encoder.head.4.bias"));
  }
}

TEST_CASE("byol: the target gets no gradient and follows with a momentum that rises to 1") {
  Built built("byol", {{"dim", 16}, {"hidden", 32}, {"ema", 0.5}});
  const auto outcome = built.step({Built::images(1), Built::images(2)});
  CHECK(outcome.loss.item<double>() >= 0.0);
  CHECK(outcome.loss.item<double>() <= 8.0);  // two directions of 2 - 2 cos
  outcome.loss.backward();
  for (const auto& item : built.method->named_parameters()) {
    CAPTURE(item.key());
    CHECK(item.value().grad().defined() == !item.key().starts_with("target."));
  }
  const std::string name = "backbone.conv1.weight";
  const torch::NoGradGuard no_grad;
  const torch::Tensor start = built.state("target." + name).clone();
  built.state("online." + name).add_(1.0);
  built.method->after_update(built.progress);
  CHECK(torch::allclose(built.state("target." + name), start + 0.5, 1e-5, 1e-6));
  built.progress.step = built.progress.total_steps;
  const torch::Tensor reached = built.state("target." + name).clone();
  built.method->after_update(built.progress);
  CHECK(torch::equal(built.state("target." + name), reached));
}

TEST_CASE("simsiam: targets are detached, the loss lies in [-1, 1], the predictor's learning rate is fixed") {
  Built built("simsiam", {{"dim", 16}, {"bottleneck", 8}});
  auto* pair = dynamic_cast<train::PairMethod*>(built.method.get());
  REQUIRE(pair != nullptr);
  const auto encoded = pair->encode(Built::images(1), Built::images(2), built.progress);
  CHECK_FALSE(encoded.key.requires_grad());
  CHECK(encoded.query.requires_grad());
  // Queries are predictions of each view's batch on its own; keys and counterparts are the other view's projection and prediction.
  auto* predictor = built.method->named_children()["predictor"]->as<nn::Mlp>();
  const auto keys = encoded.key.chunk(2), queries = encoded.query.chunk(2);
  CHECK(torch::allclose(queries[0], predictor->forward(keys[1])));
  CHECK(torch::allclose(queries[1], predictor->forward(keys[0])));
  CHECK(torch::equal(encoded.counterpart(), torch::cat({queries[1], queries[0]})));
  CHECK(encoded.counterpart().requires_grad());
  const double least = pair->compare({encoded.query, encoded.query.detach()}, built.progress).loss.item<double>();
  CHECK(least == doctest::Approx(-1.0).epsilon(1e-5));
  std::size_t grouped = 0;
  for (const auto& group : built.method->parameter_groups({}))
    for (const auto& [name, parameter] : group.parameters) {
      CHECK(group.fixed_lr == name.starts_with("predictor."));
      ++grouped;
    }
  CHECK(grouped == built.method->parameters().size());
}
