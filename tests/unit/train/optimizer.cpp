// Our update rules against LibTorch's own optimizers, over a trajectory, in float64.
#include "train/optimizer.h"

#include "core/error.h"

#include <doctest/doctest.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <limits>

using namespace selfsight;

namespace {

struct Problem {
  torch::Tensor w, b, x, y;
  explicit Problem(int seed) {
    torch::manual_seed(static_cast<std::uint64_t>(seed));
    w = torch::randn({6, 4}, torch::kFloat64).requires_grad_();
    b = torch::randn({6}, torch::kFloat64).requires_grad_();
    x = torch::randn({32, 4}, torch::kFloat64);
    y = torch::randn({32, 6}, torch::kFloat64);
  }
  void backward() const { (torch::linear(x, w, b) - y).square().mean().backward(); }
  [[nodiscard]] train::ParameterGroup group() const { return {.parameters = {{"w", w}, {"b", b}}}; }
};

}  // namespace

TEST_CASE("sgd with momentum and weight decay follows torch::optim::SGD") {
  const Problem ours(1), theirs(1);
  train::OptimizerOptions options;
  train::Optimizer optimizer({ours.group()}, options);
  torch::optim::SGD reference({theirs.w, theirs.b}, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01));
  for (int step = 0; step < 101; ++step) {
    optimizer.zero_grad();
    ours.backward();
    optimizer.step(0.1, 0.1, 0.01);
    reference.zero_grad();
    theirs.backward();
    reference.step();
  }
  CHECK(torch::allclose(ours.w, theirs.w, 1e-10, 1e-12));
  CHECK(torch::allclose(ours.b, theirs.b, 1e-10, 1e-12));
}

TEST_CASE("nesterov: torch::optim::SGD's first steps and its trajectory, and its formula as a loop") {
  const Problem ours(6), theirs(6), naive(6);
  train::OptimizerOptions options;
  options.nesterov = true;
  train::Optimizer optimizer({ours.group()}, options);
  torch::optim::SGD reference({theirs.w, theirs.b}, torch::optim::SGDOptions(0.1).momentum(0.9).weight_decay(0.01).nesterov(true));
  torch::Tensor momentum_w = torch::zeros_like(naive.w), momentum_b = torch::zeros_like(naive.b);
  const auto move = [](const torch::Tensor& parameter, torch::Tensor& momentum) {
    const torch::NoGradGuard no_grad;
    const torch::Tensor decayed = parameter.grad() + 0.01 * parameter;
    momentum = 0.9 * momentum + decayed;
    parameter.sub_(0.1 * (decayed + 0.9 * momentum));
    parameter.mutable_grad() = torch::Tensor();
  };
  for (int step = 0; step < 101; ++step) {
    optimizer.zero_grad();
    ours.backward();
    optimizer.step(0.1, 0.1, 0.01);
    reference.zero_grad();
    theirs.backward();
    reference.step();
    naive.backward();
    move(naive.w, momentum_w);
    move(naive.b, momentum_b);
    if (step < 3 || step == 100) {
      CAPTURE(step);
      CHECK(torch::allclose(ours.w, theirs.w, 1e-10, 1e-12));
      CHECK(torch::allclose(ours.b, theirs.b, 1e-10, 1e-12));
      CHECK(torch::allclose(ours.w, naive.w, 1e-10, 1e-12));
      CHECK(torch::allclose(ours.b, naive.b, 1e-10, 1e-12));
    }
  }
  options.momentum = 0;
  CHECK_THROWS_AS(train::Optimizer({ours.group()}, options), core::Error);
}

TEST_CASE("adamw follows torch::optim::AdamW") {
  const Problem ours(2), theirs(2);
  train::OptimizerOptions options;
  options.optimizer = "adamw";
  train::Optimizer optimizer({ours.group()}, options);
  torch::optim::AdamW reference({theirs.w, theirs.b}, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  for (int step = 0; step < 101; ++step) {
    optimizer.zero_grad();
    ours.backward();
    optimizer.step(0.01, 0.01, 0.1);
    reference.zero_grad();
    theirs.backward();
    reference.step();
  }
  CHECK(torch::allclose(ours.w, theirs.w, 1e-9, 1e-10));
  CHECK(torch::allclose(ours.b, theirs.b, 1e-9, 1e-10));
}

TEST_CASE("lars is momentum SGD on the gradient scaled by trust * |w| / (|g| + decay |w|)") {
  const Problem ours(3), naive(3);
  train::OptimizerOptions options;
  options.optimizer = "lars";
  auto weight = ours.group(), bias = ours.group();
  weight.parameters.pop_back();
  bias.parameters.erase(bias.parameters.begin());
  bias.adapt = false;
  bias.decay_scale = 0;
  train::Optimizer optimizer({weight, bias}, options);
  torch::Tensor momentum_w = torch::zeros_like(naive.w), momentum_b = torch::zeros_like(naive.b);
  for (int step = 0; step < 50; ++step) {
    optimizer.zero_grad();
    ours.backward();
    optimizer.step(5.0, 5.0, 0.02);
    naive.w.mutable_grad() = torch::Tensor();
    naive.b.mutable_grad() = torch::Tensor();
    naive.backward();
    const torch::NoGradGuard no_grad;
    const double norm = naive.w.norm().item<double>(), gradient = naive.w.grad().norm().item<double>();
    const double ratio = 0.001 * norm / (gradient + 0.02 * norm + 1e-8);
    momentum_w = 0.9 * momentum_w + ratio * (naive.w.grad() + 0.02 * naive.w);
    momentum_b = 0.9 * momentum_b + naive.b.grad();
    naive.w.sub_(5.0 * momentum_w);
    naive.b.sub_(5.0 * momentum_b);
  }
  CHECK(torch::allclose(ours.w, naive.w, 1e-9, 1e-10));
  CHECK(torch::allclose(ours.b, naive.b, 1e-9, 1e-10));
}

TEST_CASE("a parameter without a gradient is moved by neither decay nor momentum") {
  const Problem problem(4);
  train::Optimizer optimizer({problem.group()}, {});
  problem.backward();
  optimizer.step(0.1, 0.1, 0.5);
  const torch::Tensor before = problem.w.detach().clone();
  optimizer.zero_grad();
  optimizer.step(0.1, 0.1, 0.5);
  CHECK(torch::equal(problem.w, before));
}

TEST_CASE("groups scale rate and decay; a fixed rate ignores the schedule") {
  torch::Tensor a = torch::ones({2}, torch::kFloat64).requires_grad_(), b = torch::ones({2}, torch::kFloat64).requires_grad_();
  train::OptimizerOptions options;
  options.momentum = 0;
  train::Optimizer optimizer({{.parameters = {{"a", a}}, .lr_scale = 2, .decay_scale = 0}, {.parameters = {{"b", b}}, .fixed_lr = true}},
                             options);
  a.mutable_grad() = torch::ones_like(a);
  b.mutable_grad() = torch::ones_like(b);
  optimizer.step(0.1, 0.5, 0.2);
  CHECK(a[0].item<double>() == doctest::Approx(1 - 0.2));
  CHECK(b[0].item<double>() == doctest::Approx(1 - 0.5 * 1.2));
}

TEST_CASE("saved state continues exactly; state that does not belong is refused") {
  const Problem whole(5), halves(5);
  train::OptimizerOptions options;
  options.optimizer = "adamw";
  const auto go = [](const Problem& problem, train::Optimizer& optimizer, int steps) {
    for (int step = 0; step < steps; ++step) {
      optimizer.zero_grad();
      problem.backward();
      optimizer.step(0.01, 0.01, 0.1);
    }
  };
  train::Optimizer one({whole.group()}, options), first({halves.group()}, options), second({halves.group()}, options);
  go(whole, one, 20);
  go(halves, first, 8);
  second.load(first.state());
  go(halves, second, 12);
  CHECK(torch::equal(whole.w, halves.w));
  auto state = first.state();
  state["first/other"] = torch::zeros({1});
  CHECK_THROWS_AS(second.load(state), core::Error);
}

TEST_CASE("an update that the device is told to skip changes neither parameters nor state; one that it is not told to is as ever") {
  for (const std::string rule : {"sgd", "lars", "adamw"}) {
    CAPTURE(rule);
    const Problem ours(7), plain(7);
    train::OptimizerOptions options;
    options.optimizer = rule;
    train::Optimizer optimizer({ours.group()}, options), reference({plain.group()}, options);
    const auto update = [](const Problem& problem, train::Optimizer& of, const std::optional<torch::Tensor>& skip) {
      of.zero_grad();
      problem.backward();
      if (skip && skip->item<float>() == 1) problem.w.mutable_grad().fill_(std::numeric_limits<double>::quiet_NaN());
      of.step(0.1, 0.1, 0.01, skip);
    };
    for (int step = 0; step < 3; ++step) {
      update(ours, optimizer, torch::ones({}));
      update(ours, optimizer, torch::zeros({}));
      update(plain, reference, {});
    }
    CHECK(torch::equal(ours.w, plain.w));
    CHECK(torch::equal(ours.b, plain.b));
    const auto state = optimizer.state(), expected = reference.state();
    REQUIRE(state.size() == expected.size());
    for (const auto& [name, tensor] : expected) CHECK(torch::equal(state.at(name), tensor));
  }
}
