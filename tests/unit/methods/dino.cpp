// Oracles of DINO (arXiv 2104.14294) that concern the method as a whole; the head is tested in nn.
#include "methods/dino.h"
#include "unit/methods/runs.h"

#include <cmath>

using namespace selfsight;
using test::Built;

namespace {
const nlohmann::json tiny = {{"outputs", 32},   {"hidden", 24}, {"bottleneck", 8}, {"locals", 1},
                             {"local-size", 8}, {"ema", 0.996}, {"clip-each", 0.0}};
const std::vector<torch::Tensor> views() { return {Built::images(1), Built::images(2), Built::images(3, 8)}; }
}  // namespace

TEST_CASE("dino: the loss is the mean over the 2V - 2 pairs of different views") {
  torch::manual_seed(3);
  const auto f64 = torch::kFloat64;
  std::vector<torch::Tensor> teacher, student;
  for (int i = 0; i < 2; ++i) teacher.push_back(torch::softmax(torch::randn({4, 7}, f64), 1));
  for (int v = 0; v < 5; ++v) student.push_back(torch::randn({4, 7}, f64));
  double sum = 0;
  int terms = 0;
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t v = 0; v < 5; ++v) {
      if (i == v) continue;
      const auto log_p = torch::log_softmax(student[v], 1);
      for (int n = 0; n < 4; ++n)
        for (int d = 0; d < 7; ++d) sum -= teacher[i][n][d].item<double>() * log_p[n][d].item<double>() / 4;
      ++terms;
    }
  CHECK(terms == 8);
  CHECK(methods::dino_loss(teacher, student).item<double>() == doctest::Approx(sum / terms).epsilon(1e-12));
  // Uniform on both sides: ln D.
  const std::vector<torch::Tensor> flat(2, torch::full({4, 7}, 1.0 / 7, f64)), zeros(3, torch::zeros({4, 7}, f64));
  CHECK(methods::dino_loss(flat, zeros).item<double>() == doctest::Approx(std::log(7.0)).epsilon(1e-12));
}

TEST_CASE("dino: the centre takes a tenth of the teacher's mean logits, after the loss") {
  Built built("dino", tiny);
  built.method->eval();
  built.step(views());
  CHECK(built.state("centre").abs().max().item<double>() == 0.0);
  built.method->after_update(built.progress);
  const torch::Tensor first = built.state("centre").clone();
  CHECK(first.abs().max().item<double>() > 0);
  CHECK(first.abs().max().item<double>() <= 0.1 + 1e-6);  // logits are cosines
  // The same logits again and again: (1 - 0.9^T) of them. The teacher equals the student, so it does not move.
  for (int t = 2; t <= 5; ++t) {
    built.step(views());
    built.method->after_update(built.progress);
    CHECK(torch::allclose(built.state("centre"), first * ((1 - std::pow(0.9, t)) / 0.1), 1e-4, 1e-6));
  }
}

TEST_CASE("dino: the centre of an update of several batches takes the mean of them all, and nothing of a skipped one") {
  Built built("dino", tiny);
  built.method->eval();
  const auto centre_of = [&](const std::vector<std::vector<torch::Tensor>>& batches) {
    for (const auto& batch : batches) built.step(batch);
    built.method->after_update(built.progress);
    const torch::Tensor out = built.state("centre").clone();
    built.state("centre").zero_();
    return out;
  };
  const auto other = [] { return std::vector<torch::Tensor>{Built::images(5), Built::images(6), Built::images(7, 8)}; };
  const torch::Tensor a = centre_of({views()}), b = centre_of({other()}), both = centre_of({views(), other()});
  CHECK_FALSE(torch::allclose(a, b));
  CHECK(torch::allclose(both, (a + b) / 2, 1e-4, 1e-7));
  built.step(other());
  built.method->after_skip(built.progress);
  CHECK(torch::allclose(centre_of({views()}), a, 1e-4, 1e-7));
}

TEST_CASE("dino: the teacher's temperature is linear over the warm-up's epochs, both ends included") {
  methods::DinoOptions options;
  options.warmup_teacher_temperature = 0.04;
  options.teacher_temperature = 0.07;
  options.warmup_teacher_epochs = 4;
  const std::vector<double> expected = {0.04, 0.05, 0.06, 0.07, 0.07};
  for (std::size_t epoch = 0; epoch < expected.size(); ++epoch)
    CHECK(methods::teacher_temperature(options, static_cast<std::int64_t>(epoch)) == doctest::Approx(expected[epoch]));
  options.warmup_teacher_epochs = 0;
  CHECK(methods::teacher_temperature(options, 0) == doctest::Approx(0.07));
}

TEST_CASE("dino: no gradient on the teacher; the last layer's is cancelled in the first epoch only") {
  Built built("dino", tiny);
  for (const std::int64_t step : {0, 9, 10}) {
    built.progress.step = step;
    for (auto& parameter : built.method->parameters()) parameter.mutable_grad() = torch::Tensor();
    built.step(views()).loss.backward();
    built.method->after_backward(built.progress);
    for (const auto& item : built.method->named_parameters()) {
      CAPTURE(item.key());
      if (item.key().starts_with("teacher.")) CHECK_FALSE(item.value().grad().defined());
      if (item.key() == "student.head.last_layer.weight_v") CHECK(item.value().grad().defined() == (step >= 10));
      if (item.key() == "student.backbone.conv1.weight") CHECK(item.value().grad().abs().sum().item<double>() > 0);
    }
  }
}

TEST_CASE("dino: m rises from its start to 1 by a cosine") {
  CHECK(train::cosine(0.996, 1.0, 0.0) == doctest::Approx(0.996));
  CHECK(train::cosine(0.996, 1.0, 0.5) == doctest::Approx(0.998));
  CHECK(train::cosine(0.996, 1.0, 1.0) == doctest::Approx(1.0));
}

TEST_CASE("dino: gradients are clipped tensor by tensor") {
  auto options = tiny;
  options["clip-each"] = 1e-3;
  Built built("dino", options);
  built.step(views()).loss.backward();
  built.method->after_backward(built.progress);
  for (const auto& item : built.method->named_parameters())
    if (item.value().grad().defined()) CHECK(item.value().grad().norm().item<double>() <= 1.001e-3);
}
