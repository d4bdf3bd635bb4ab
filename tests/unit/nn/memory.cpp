// Networks that follow others, and banks of past embeddings.
#include "core/error.h"
#include "nn/backbone.h"
#include "nn/ema.h"
#include "nn/heads.h"
#include "nn/queue.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <deque>

using namespace selfsight;
using formula::largest_difference;

TEST_CASE("EMA: m^T old + (1 - m^T) new; 1 keeps, 0 copies; buffers stay") {
  nn::MlpOptions options{.dims = {5, 7, 3}, .batch_norm = true};
  nn::Mlp online(options), target(options), start(options);
  for (auto* module : {&online, &target, &start}) module->to(torch::kFloat64);
  nn::copy_state(start, target);
  nn::freeze(target);
  online.forward(torch::randn({16, 5}, torch::kFloat64));  // moves its batch statistics
  constexpr double m = 0.99;
  constexpr int steps = 50;
  for (int i = 0; i < steps; ++i) nn::ema_update(target, online, m);
  const auto a = nn::named_state(start), b = nn::named_state(online), c = nn::named_state(target);
  for (const auto& item : target.named_parameters())
    CHECK(largest_difference(item.value(), std::pow(m, steps) * a.at(item.key()) + (1 - std::pow(m, steps)) * b.at(item.key())) < 1e-10);
  CHECK(torch::equal(c.at("1.running_mean"), a.at("1.running_mean")));
  CHECK(!torch::equal(b.at("1.running_mean"), a.at("1.running_mean")));
  const torch::Tensor before = c.at("3.weight").clone();
  nn::ema_update(target, online, 1.0);
  CHECK(torch::equal(c.at("3.weight"), before));
  nn::ema_update(target, online, 0.0);
  CHECK(torch::equal(c.at("3.weight"), b.at("3.weight")));
}

TEST_CASE("copy: parameters and buffers; other structures are refused; frozen parameters get no gradient") {
  const nn::BackboneOptions options{.name = "resnet10", .width = 0.1};
  const auto a = nn::make_backbone(options), b = nn::make_backbone(options);
  a->forward(torch::randn({4, 3, 32, 32}));
  nn::copy_state(*b, *a);
  const auto left = nn::named_state(*a), right = nn::named_state(*b);
  for (const auto& [name, tensor] : left) CHECK(torch::equal(tensor, right.at(name)));
  CHECK(right.at("bn1.num_batches_tracked").item<std::int64_t>() == 1);
  CHECK(right.at("conv1.weight").requires_grad());
  nn::freeze(*b);
  const torch::Tensor x = torch::randn({2, 3, 32, 32});
  (a->forward(x).pooled * b->forward(x).pooled).sum().backward();
  for (const auto& parameter : a->parameters()) CHECK(parameter.grad().defined());
  for (const auto& parameter : b->parameters()) CHECK(!parameter.grad().defined());
  CHECK_THROWS_AS(nn::copy_state(*b, *nn::make_backbone({.name = "resnet10", .width = 0.2})), core::Error);
  CHECK_THROWS_AS(nn::ema_update(*b, *nn::make_backbone({.name = "resnet18", .width = 0.1}), 0.5), core::Error);
}

TEST_CASE("queue: starts with unit rows, overwrites in order, wraps") {
  torch::manual_seed(31);
  nn::Queue queue(7, 4);
  CHECK((queue.rows().norm(2, 1) - 1).abs().max().item<double>() < 1e-6);
  CHECK(queue.filled() == 0);
  CHECK(queue.newest_first().sizes() == torch::IntArrayRef({0, 4}));
  const torch::Tensor start = queue.rows().clone();
  queue.push(torch::full({3, 4}, 100.0));
  for (std::int64_t i = 0; i < 7; ++i) CHECK(torch::equal(queue.rows()[i], start[i]) == (i >= 3));

  // Tagged rows in batches of 3 and 5 against a plain deque: 7 is a multiple of neither.
  nn::Queue tagged(7, 4);
  std::deque<double> expected;
  double tag = 0;
  for (const int size : {3, 5, 3, 3, 5, 1, 7, 5}) {
    std::vector<double> tags;
    for (int i = 0; i < size; ++i) {
      tags.push_back(++tag);
      expected.push_front(tag);
    }
    while (expected.size() > 7) expected.pop_back();
    tagged.push(torch::tensor(tags, torch::kFloat32).unsqueeze(1).expand({size, 4}));
    CHECK(tagged.filled() == static_cast<std::int64_t>(expected.size()));
    const torch::Tensor newest = tagged.newest_first();
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(newest[static_cast<std::int64_t>(i)][2].item<double>() == expected[i]);
  }
  CHECK(tagged.full());
  tagged.push(torch::arange(20, torch::kFloat32).unsqueeze(1).expand({20, 4}));  // more than it holds
  CHECK(tagged.newest_first().select(1, 0).equal(torch::arange(19, 12, -1, torch::kFloat32)));
}

TEST_CASE("queue: takes no gradient, is saved with its module, refuses other widths") {
  nn::Queue queue(4, 2);
  const torch::Tensor rows = torch::ones({3, 2}).requires_grad_();
  queue.push(rows * 2);
  CHECK(!queue.rows().requires_grad());
  nn::Queue other(4, 2);
  nn::load_state(other, nn::named_state(queue));
  CHECK(other.filled() == 3);
  other.push(torch::zeros({2, 2}));
  queue.push(torch::zeros({2, 2}));
  CHECK(torch::equal(other.rows(), queue.rows()));
  CHECK_THROWS_AS(queue.push(torch::zeros({2, 3})), core::Error);
  CHECK_THROWS_AS(nn::Queue(0, 3), core::Error);
}

TEST_CASE("queue: staged rows enter at the commit; those of a step that never came to it do not") {
  nn::Queue queue(6, 1);
  queue.stage(torch::full({2, 1}, 10.0));
  CHECK(queue.filled() == 0);
  queue.stage(torch::full({1, 1}, 11.0));  // a second batch of the same step
  queue.commit();
  CHECK(queue.filled() == 3);
  queue.stage(torch::full({2, 1}, 20.0));
  queue.discard();  // skipped
  queue.stage(torch::full({2, 1}, 30.0));
  queue.commit();
  queue.commit();  // nothing is there any more
  CHECK(queue.newest_first().flatten().equal(torch::tensor({30.0F, 30.0F, 11.0F, 10.0F, 10.0F})));
}
