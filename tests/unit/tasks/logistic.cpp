// The few-label classifier against scikit-learn's optima (tests/parity/tasks/make_logistic.py) and its own rules.
#include "core/files.h"
#include "tasks/probe_logistic.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace selfsight;
using nlohmann::json;

namespace {

constexpr std::int64_t samples = 40, dim = 6, classes = 3;

/// The data of the script, by its formula.
std::pair<torch::Tensor, torch::Tensor> formula_data() {
  const torch::Tensor n = torch::arange(samples, torch::kFloat64).unsqueeze(1), d = torch::arange(dim, torch::kFloat64).unsqueeze(0);
  std::vector<std::int64_t> y;
  for (std::int64_t i = 0; i < samples; ++i) y.push_back((i * i + i / 3) % classes);
  const torch::Tensor labels = torch::tensor(y, torch::kInt64);
  return {torch::sin(1.0 + 3 * n + 7 * d + n * d) + 0.5 * torch::cos(labels.unsqueeze(1) + d), labels};
}

torch::Tensor matrix(const json& rows) {
  std::vector<torch::Tensor> out;
  for (const auto& row : rows) out.push_back(torch::tensor(row.get<std::vector<double>>(), torch::kFloat64));
  return torch::stack(out);
}

double difference(const torch::Tensor& a, const torch::Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

TEST_CASE("logistic regression ends at scikit-learn's optimum, many problems at once") {
  const auto [x, y] = formula_data();
  const json fixture = json::parse(core::read_text(std::string(SELFSIGHT_TEST_DATA) + "/parity/tasks/logistic.json"));
  std::vector<double> strengths;
  std::vector<torch::Tensor> weights;
  for (const auto& one : fixture.at("cases")) {
    strengths.push_back(one.at("strength").get<double>());
    torch::Tensor weight = torch::ones({samples}, torch::kFloat64);
    if (one.at("part") != "all") weight.index_put_({torch::indexing::Slice(0, torch::indexing::None, 4)}, 0.0);
    weights.push_back(weight);
  }
  const auto fit = tasks::fit_logistic(x, y, classes, strengths, torch::stack(weights, 1), {.iterations = 2000, .tolerance = 1e-9});
  REQUIRE(strengths.size() == 6);
  for (std::size_t p = 0; p < strengths.size(); ++p) {
    CAPTURE(p);
    const auto& expected = fixture.at("cases").at(p);
    CHECK(fit.objective.at(p) == doctest::Approx(expected.at("objective").get<double>()).epsilon(1e-8));
    const auto at = static_cast<std::int64_t>(p);
    CHECK(difference(fit.weight[at], matrix(expected.at("weight"))) < 1e-4);
    const torch::Tensor bias = fit.bias[at] - fit.bias[at].mean();  // a common shift changes no probability
    CHECK(difference(bias, torch::tensor(expected.at("bias").get<std::vector<double>>(), torch::kFloat64)) < 1e-4);
  }
}

TEST_CASE("the probe on few labels: the rotation into the samples' span changes nothing, and the strength is chosen inside the draw") {
  torch::manual_seed(3);
  const torch::Tensor y = torch::arange(30, torch::kInt64) % 3;
  const torch::Tensor centres = torch::randn({3, 200}, torch::kFloat64);
  const torch::Tensor x = centres.index_select(0, y) + 2.0 * torch::randn({30, 200}, torch::kFloat64);  // wider than it is tall: rotated
  const auto probe = tasks::fit_probe(x, y, 3, {0.1}, 0, 0, {.iterations = 2000, .tolerance = 1e-9});
  const auto plain = tasks::fit_logistic(x, y, 3, {0.1}, {}, {.iterations = 2000, .tolerance = 1e-9});
  CHECK(difference(probe.weight, plain.weight[0]) < 1e-4);

  const auto chosen = tasks::fit_probe(x, y, 3, {1e-4, 1e-2, 1.0, 1e6}, 0, 0, {});
  CHECK(chosen.folds == 5);
  REQUIRE(chosen.scores.size() == 4);
  CHECK(chosen.strength != 1e6);  // as accurate here, but its probabilities say nothing
  const auto again = tasks::fit_probe(x, y, 3, {1e-4, 1e-2, 1.0, 1e6}, 0, 0, {});
  CHECK(torch::equal(chosen.weight, again.weight));
}
