// Oracles of SwAV (arXiv 2006.09882) that concern the method as a whole; Sinkhorn and the queue are tested in nn.
#include "unit/methods/runs.h"

#include "nn/losses.h"

#include <cmath>

using namespace selfsight;
using test::Built;

namespace {
nlohmann::json tiny(std::int64_t locals) {
  return {{"prototypes", 12}, {"dim", 16}, {"hidden", 32}, {"freeze-prototypes", 2}, {"locals", locals}, {"local-size", 8}, {"queue", 0}};
}
}  // namespace

TEST_CASE("swav: prototypes have unit rows in the forward pass, are frozen for the first steps and trained after") {
  Built built("swav", tiny(1));
  {
    const torch::NoGradGuard no_grad;
    built.state("prototypes.weight").mul_(3.0);
  }
  for (const std::int64_t step : {0, 1, 2}) {
    built.progress.step = step;
    for (auto& parameter : built.method->parameters()) parameter.mutable_grad() = torch::Tensor();
    built.step({Built::images(1), Built::images(2), Built::images(3, 8)}).loss.backward();
    CHECK(torch::allclose(built.state("prototypes.weight").norm(2, 1), torch::ones({12}), 0, 1e-5));
    built.method->after_backward(built.progress);
    CHECK(built.state("prototypes.weight").grad().defined() == (step >= 2));
  }
}

TEST_CASE("swav: the order of the small crops does not matter") {
  Built built("swav", tiny(2));
  built.method->eval();  // batch statistics would not change, but running ones must not differ between the two calls
  const auto a = Built::images(1), b = Built::images(2), c = Built::images(3, 8), d = Built::images(4, 8);
  const double one = built.step({a, b, c, d}).loss.item<double>(), other = built.step({a, b, d, c}).loss.item<double>();
  CHECK(one == doctest::Approx(other).epsilon(1e-5));
}

TEST_CASE("swav: equal scores give ln K") {
  Built built("swav", tiny(1));
  const torch::NoGradGuard no_grad;
  torch::Tensor weight = built.state("prototypes.weight");
  weight.copy_(weight[0].expand_as(weight).clone());  // all prototypes the same: every score of a sample is equal
  const double loss = built.step({Built::images(1), Built::images(2), Built::images(3, 8)}).loss.item<double>();
  CHECK(loss == doctest::Approx(std::log(12.0)).epsilon(1e-4));
}

TEST_CASE("swav: a queue that is not full is ignored, a full one changes the assignments") {
  auto options = tiny(0);
  options["queue"] = 16;
  options["queue-epoch"] = 0;
  Built with("swav", options), without("swav", tiny(0));
  with.method->eval();
  without.method->eval();
  const torch::NoGradGuard no_grad;
  nn::load_state(*without.method, [&] {
    nn::State shared = nn::named_state(*with.method);
    std::erase_if(shared, [](const auto& item) { return item.first.starts_with("queue"); });
    return shared;
  }());
  for (int step = 0; step < 3; ++step) {
    const std::vector<torch::Tensor> x = {Built::images(10 + step), Built::images(20 + step)};
    const double a = with.step(x).loss.item<double>(), b = without.step(x).loss.item<double>();
    if (step < 2)
      CHECK(a == doctest::Approx(b).epsilon(1e-6));  // 0 and 8 of 16 rows
    else
      CHECK(std::abs(a - b) > 1e-6);
    with.method->after_update(with.progress);
    ++with.progress.step;
    ++without.progress.step;
  }
}
