// The linear probe on data whose answer is known.
#include "tasks/probe_linear.h"
#include "unit/ranks.h"

#include <doctest/doctest.h>

using namespace selfsight;

namespace {

/// Two Gaussians a class apart on the first axis, so that the best linear classifier is known.
std::pair<torch::Tensor, torch::Tensor> blobs(std::int64_t n, std::uint64_t seed) {
  torch::manual_seed(seed);
  const torch::Tensor y = torch::arange(n, torch::kInt64) % 2;
  torch::Tensor x = torch::randn({n, 8});
  x.select(1, 0).add_(y.to(torch::kFloat32) * 6 + 2);  // off the origin: a tiny step in the right direction does not separate them
  return {x, y};
}

}  // namespace

TEST_CASE("linear probe: finds the separating direction, and a rate that diverges or stands still is not the one chosen") {
  const auto [x, y] = blobs(2000, 1);
  const auto [held_x, held_y] = blobs(400, 2);
  tasks::LinearOptions options;
  options.epochs = 20;
  options.learning_rates = {1e-9, 0.03, 1e38};
  const auto feed = tasks::fixed_feed(x, y, torch::ones({2000}, torch::kBool), options.batch, 0);
  const auto fit = tasks::train_linear(feed, 8, 2, held_x, held_y, options);
  CHECK(fit.learning_rate == 0.03);
  const torch::Tensor direction = fit.weight.select(1, 1) - fit.weight.select(1, 0);
  CHECK(direction.argmax().item<std::int64_t>() == 0);
  const torch::Tensor predictions = torch::addmm(fit.bias, held_x, fit.weight).argmax(1);
  CHECK(predictions.eq(held_y).to(torch::kFloat64).mean().item<double>() > 0.99);
  const auto again = tasks::train_linear(feed, 8, 2, held_x, held_y, options);
  CHECK(torch::equal(fit.weight, again.weight));
}

TEST_CASE("linear probe: ranks share the learning rates, also with fewer rates than ranks") {
  const auto [x, y] = blobs(600, 1);
  const auto [held_x, held_y] = blobs(200, 2);
  tasks::LinearOptions options;
  options.epochs = 4;
  options.learning_rates = {1e-9, 0.003, 0.3, 1e38};
  const auto fit = [&, x = x, y = y, held_x = held_x, held_y = held_y](const dist::Ranks& ranks) {
    const auto feed = tasks::fixed_feed(x, y, torch::ones({600}, torch::kBool), options.batch, 0);
    return tasks::train_linear(feed, 3, 2, held_x, held_y, options, ranks);
  };
  const auto alone = fit({});
  for (const int size : {2, 3, 7}) {
    CAPTURE(size);
    std::vector<tasks::LinearFit> fits(static_cast<std::size_t>(size));
    test::with_ranks(size, [&](const dist::Ranks& ranks) { fits[static_cast<std::size_t>(ranks.rank())] = fit(ranks); });
    for (const auto& of_rank : fits) {
      CHECK(of_rank.learning_rate == alone.learning_rate);
      CHECK(of_rank.held_out_accuracy == alone.held_out_accuracy);
      CHECK(torch::allclose(of_rank.weight, alone.weight, 1e-5, 1e-6));
      CHECK(torch::allclose(of_rank.bias, alone.bias, 1e-5, 1e-6));
    }
  }
}

TEST_CASE("linear probe: held-out samples choose the rate only if the heads that are judged never saw them") {
  // Labels without meaning: whoever has seen the held-out samples can know them, whoever has not is at chance.
  torch::manual_seed(4);
  const std::int64_t n = 120, held = 40;
  const torch::Tensor x = torch::randn({n, 200}), y = torch::randint(0, 2, {n}, torch::kInt64);
  torch::Tensor inside = torch::ones({n}, torch::kBool);
  inside.slice(0, 0, held).fill_(false);
  tasks::LinearOptions options;
  options.epochs = 60;
  options.batch = 40;
  options.learning_rates = {0.3};
  const auto honest =
      tasks::train_linear(tasks::fixed_feed(x, y, inside, options.batch, 0), 3, 2, x.slice(0, 0, held), y.slice(0, 0, held), options);
  CHECK(honest.held_out_accuracy.at(0) < 0.75);
  const auto leaky = tasks::train_linear(tasks::fixed_feed(x, y, torch::ones({n}, torch::kBool), options.batch, 0), 3, 2,
                                         x.slice(0, 0, held), y.slice(0, 0, held), options);
  CHECK(leaky.held_out_accuracy.at(0) > 0.95);
  // The result itself is the twin that saw everything.
  const torch::Tensor predictions = torch::addmm(honest.bias, x, honest.weight).argmax(1);
  CHECK(predictions.eq(y).to(torch::kFloat64).mean().item<double>() > 0.95);
}
