// A step of a method on several ranks is the step of one process on the whole batch: loss, gradients and what the update leaves, in
// float64. (Methods that draw random numbers in a step are compared as processes, by tests/cli/ranks.sh: threads share a generator.)
#include "unit/ranks.h"
#include "dist/gradients.h"
#include "unit/methods/runs.h"

using namespace selfsight;

namespace {

struct Result {
  std::vector<double> losses;
  std::map<std::string, torch::Tensor> state;
};

/// Two updates on rows of `x` (views x batch x 3 x 16 x 16) and what they come to.
Result two_updates(const std::string& name, const nlohmann::json& options, const std::vector<torch::Tensor>& x, const dist::Ranks& ranks) {
  test::Built built(name, options, {}, ranks);
  built.method->to(torch::kFloat64);
  std::vector<torch::Tensor> own;
  for (const auto& view : x) own.push_back(ranks.own_rows(view));
  std::vector<torch::Tensor> parameters;
  for (const auto& parameter : built.method->parameters())
    if (parameter.requires_grad()) parameters.push_back(parameter);
  dist::GradientReducer reducer(ranks, parameters);
  Result out;
  for (int update = 0; update < 2; ++update) {
    built.method->zero_grad();
    const auto outcome = built.step(own);
    reducer.before_backward(outcome.loss);
    outcome.loss.backward();
    out.losses.push_back(ranks.mean(outcome.loss).item<double>());
    built.method->after_backward(built.progress);
    {
      const torch::NoGradGuard no_grad;
      for (auto& parameter : parameters)
        if (parameter.grad().defined()) parameter.sub_(parameter.grad(), 0.1);
    }
    built.method->after_update(built.progress);
    ++built.progress.step;
  }
  for (const auto& [key, tensor] : nn::named_state(*built.method)) out.state[key] = tensor.to(torch::kFloat64).clone();
  return out;
}

}  // namespace

TEST_CASE("several ranks: the methods' steps") {
  torch::manual_seed(9);
  std::vector<torch::Tensor> x;
  for (int view = 0; view < 4; ++view) x.push_back(torch::randn({8, 3, 16, 16}, torch::kFloat64));
  const std::vector<std::pair<std::string, nlohmann::json>> subjects = {
      {"simclr", {}},
      {"g-simclr", {{"widths", {32, 16}}}},
      {"byol", {{"hidden", 32}, {"dim", 16}}},
      {"simsiam", {{"dim", 32}, {"bottleneck", 8}}},
      {"swav", {{"hidden", 32}, {"dim", 16}, {"prototypes", 12}, {"queue", 16}, {"queue-epoch", 0}, {"freeze-prototypes", 1}}},
      {"dino", {{"hidden", 32}, {"bottleneck", 16}, {"outputs", 24}, {"bn-in-head", true}}},
      {"rotnet", {}},
      // Without the numbers that they would draw.
      {"moco", {{"queue", 16}, {"dim", 16}, {"shuffle-groups", 1}}},
      {"hsa", {{"queue", 16}, {"dim", 16}, {"shuffle-groups", 1}, {"mix-alpha", 0.0}, {"cross-from", 0}}}};
  for (const auto& [name, options] : subjects) {
    CAPTURE(name);
    const std::size_t views = name == "rotnet" ? 1 : name == "dino" || name == "swav" || name == "hsa" ? 4 : 2;
    const std::vector<torch::Tensor> seen(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(views));
    const nlohmann::json values = options.is_null() ? nlohmann::json::object() : options;
    const Result whole = two_updates(name, values, seen, {});
    for (const int size : {2, 4}) {
      CAPTURE(size);
      std::vector<Result> parts(static_cast<std::size_t>(size));
      test::with_ranks(
          size, [&](const dist::Ranks& ranks) { parts[static_cast<std::size_t>(ranks.rank())] = two_updates(name, values, seen, ranks); });
      for (const auto& part : parts) {
        for (std::size_t i = 0; i < whole.losses.size(); ++i) CHECK(part.losses[i] == doctest::Approx(whole.losses[i]).epsilon(1e-9));
        for (const auto& [key, tensor] : whole.state) {
          CAPTURE(key);
          if (tensor.isnan().all().item<bool>()) continue;  // what no epoch has filled in yet
          CHECK((part.state.at(key) - tensor).abs().max().item<double>() < 1e-9);
          CHECK(part.state.at(key).equal(parts[0].state.at(key)));  // the ranks stay one network, to the last bit
        }
      }
    }
  }
}
