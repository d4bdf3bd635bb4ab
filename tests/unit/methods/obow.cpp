// Oracles of OBoW (arXiv 2012.11552) that concern the method as a whole; bags and vocabulary are tested in nn.
#include "methods/obow.h"
#include "unit/methods/runs.h"

#include "nn/losses.h"

#include <cmath>

using namespace selfsight;
using test::Built;

namespace {

const nlohmann::json tiny = {
    {"levels", {"layer2", "layer3"}}, {"words", 24}, {"border", 0}, {"larges", 2}, {"smalls", 1}, {"ema", 0.99}, {"hidden", 16}};

nlohmann::json with(const nlohmann::json& more) {
  nlohmann::json options = tiny;
  options.update(more);
  return options;
}

/// Full view, two large crops, a small one.
std::vector<torch::Tensor> views() { return {Built::images(1), Built::images(2), Built::images(3), Built::images(4, 8)}; }

double loss_of(Built& built) {
  torch::manual_seed(9);
  return built.step(views()).loss.item<double>();
}

}  // namespace

TEST_CASE("obow: the loss is KL: 0 for the right prediction, else above; the value of a loop in float64") {
  torch::manual_seed(1);
  const torch::Tensor t = torch::softmax(3 * torch::randn({5, 9}, torch::kFloat64), 1), o = torch::randn({5, 9}, torch::kFloat64);
  CHECK(std::abs(methods::bow_loss(t, t.log() + 4).item<double>()) < 1e-12);
  double expected = 0;
  for (std::int64_t n = 0; n < 5; ++n) {
    double sum = 0;
    for (std::int64_t k = 0; k < 9; ++k) sum += std::exp(o[n][k].item<double>());
    for (std::int64_t k = 0; k < 9; ++k) {
      const double p = t[n][k].item<double>();
      expected += p * (std::log(p) - o[n][k].item<double>() + std::log(sum)) / 5;
    }
  }
  CHECK(methods::bow_loss(t, o).item<double>() == doctest::Approx(expected).epsilon(1e-10));
  CHECK(expected > 0);
  const torch::Tensor one = torch::eye(4, torch::kFloat64);  // words that do not occur
  CHECK(methods::bow_loss(one, torch::zeros({4, 4}, torch::kFloat64)).item<double>() == doctest::Approx(std::log(4.0)).epsilon(1e-12));
}

TEST_CASE("obow: gradients reach the student and the head, nothing else") {
  for (const std::string head : {"dynamic", "static"}) {
    CAPTURE(head);
    Built built("obow", with({{"head", head}}));
    built.step(views()).loss.backward();
    for (const auto& item : built.method->named_parameters()) {
      CAPTURE(item.key());
      const bool trained = !item.key().starts_with("teacher.");
      CHECK(item.value().grad().defined() == trained);
      // The bias of a linear layer's input to softmax etc. may be 0; weights are not.
      if (trained && item.value().dim() > 1) CHECK(item.value().grad().abs().max().item<double>() > 0);
    }
    for (const std::string level : {"layer2", "layer3"}) {
      CHECK_FALSE(built.state("vocabulary_" + level + ".ring.rows").requires_grad());
      CHECK_FALSE(built.state("vocabulary_" + level + ".distance").requires_grad());
    }
  }
}

TEST_CASE("obow: losses of crop types add up, those of levels are averaged, those of crops of a type too") {
  // The same crop twice, once as each type: batch statistics are the same, so both types have the same loss.
  const torch::Tensor full = Built::images(1), crop = Built::images(2);
  const auto loss = [&](std::int64_t larges, std::int64_t smalls) {
    Built built("obow", with({{"larges", larges}, {"smalls", smalls}, {"levels", nlohmann::json::array({"layer2"})}}));
    torch::manual_seed(5);
    const torch::NoGradGuard no_grad;
    for (const std::string name : {"0.weight", "3.weight"}) built.state("generator_layer2." + name).normal_();
    built.state("vocabulary_layer2.ring.rows").uniform_();
    std::vector<torch::Tensor> x = {full};
    for (std::int64_t i = 0; i < larges + smalls; ++i) x.push_back(crop);
    return built.step(x).loss.item<double>();
  };
  const double one = loss(1, 0);
  CHECK(loss(0, 1) == doctest::Approx(one).epsilon(1e-6));
  CHECK(loss(1, 1) == doctest::Approx(2 * one).epsilon(1e-6));
  CHECK(loss(2, 0) == doctest::Approx(one).epsilon(1e-5));
}

TEST_CASE("obow: prediction and target of a step see the same words; new ones come with the update, or not at all") {
  Built built("obow", tiny);
  const std::string rows = "vocabulary_layer3.ring.rows", mu = "vocabulary_layer3.distance";
  const torch::Tensor before = built.state(rows).clone(), distance = built.state(mu).clone();
  built.step(views());
  CHECK(torch::equal(built.state(rows), before));
  CHECK(torch::equal(built.state(mu), distance));
  built.method->after_skip(built.progress);
  built.method->after_update(built.progress);
  CHECK(torch::equal(built.state(rows), before));
  CHECK(torch::equal(built.state(mu), distance));
  built.step(views());
  built.method->after_update(built.progress);
  const torch::Tensor changed = built.state(rows).ne(before).any(1);
  CHECK(changed.sum().item<std::int64_t>() == 8);  // one word an image
  CHECK(changed.slice(0, 0, 8).all().item<bool>());
  CHECK_FALSE(torch::equal(built.state(mu), distance));
}

TEST_CASE("obow: the order of the words does not matter") {
  Built one("obow", tiny), other("obow", tiny);
  const torch::NoGradGuard no_grad;
  nn::load_state(*other.method, nn::named_state(*one.method));
  torch::manual_seed(3);
  for (const std::string level : {"layer2", "layer3"}) {
    torch::Tensor rows = other.state("vocabulary_" + level + ".ring.rows");
    rows.copy_(rows.index_select(0, torch::randperm(24)));
  }
  CHECK(loss_of(other) == doctest::Approx(loss_of(one)).epsilon(1e-5));
  torch::Tensor rows = other.state("vocabulary_layer3.ring.rows");
  rows.select(0, 0).add_(3.0);
  CHECK(loss_of(other) != doctest::Approx(loss_of(one)).epsilon(1e-5));
}

TEST_CASE("obow: the teacher's rate rises from alpha to 1 by a cosine; it keeps its own batch statistics") {
  const std::string weight = "conv1.weight";
  for (const auto& [steps, share] : {std::pair{0, 0.0}, std::pair{50, 0.005}, std::pair{100, 0.01}}) {
    // The teacher of step `steps` is made after step `steps` - 1.
    Built built("obow", tiny);
    const torch::NoGradGuard no_grad;
    built.progress.step = steps - 1;
    const torch::Tensor start = built.state("teacher." + weight).clone();
    built.state("student." + weight).add_(1.0);
    built.state("student.bn1.running_mean").add_(5.0);
    built.method->after_update(built.progress);
    const double moved = (built.state("teacher." + weight) - start).mean().item<double>();
    CHECK(moved == doctest::Approx(0.01 - share).epsilon(1e-3));
    if (steps == 100) CHECK(torch::equal(built.state("teacher." + weight), start));
    CHECK(built.state("teacher.bn1.running_mean").abs().max().item<double>() == 0);
    built.step(views());
    CHECK(built.state("teacher.bn1.running_mean").abs().max().item<double>() > 0);
  }
}

TEST_CASE("obow: arms: a frozen teacher, words that stay, a fixed temperature") {
  Built built("obow", with({{"ema", 1.0}, {"vocabulary", "fixed"}, {"mu-momentum", 1.0}, {"words", 16}}));
  const torch::NoGradGuard no_grad;
  const torch::Tensor start = built.state("teacher.conv1.weight").clone();
  built.state("student.conv1.weight").add_(1.0);
  torch::Tensor words;
  for (int step = 0; step < 4; ++step) {
    built.step(views());
    built.method->after_update(built.progress);
    if (step == 1) words = built.state("vocabulary_layer2.ring.rows").clone();  // full
  }
  CHECK(torch::equal(built.state("teacher.conv1.weight"), start));
  CHECK(torch::equal(built.state("vocabulary_layer2.ring.rows"), words));
  CHECK(built.state("vocabulary_layer2.distance").item<double>() == 0.5);
}

TEST_CASE("obow: the border is cut off before anything else; how many words are used is told") {
  // Layer 2 of 16 pixels is 4 x 4 (stride 2 twice), so that a border of 1 leaves 2 x 2.
  Built built("obow", with({{"levels", nlohmann::json::array({"layer2"})}, {"border", 1}}));
  const torch::NoGradGuard no_grad;
  const auto out = built.step(views());
  CHECK(out.scalars.at("perplexity_layer2").item<double>() >= out.scalars.at("image_perplexity_layer2").item<double>());
  CHECK(out.scalars.at("image_perplexity_layer2").item<double>() >= 1);
  CHECK(out.scalars.at("perplexity_layer2").item<double>() <= 24);
  built.method->after_update(built.progress);
  // The words are means of the inner four cells of the teacher's map.
  auto teacher = dynamic_cast<methods::Obow&>(*built.method).named_children()["teacher"];
  auto* network = dynamic_cast<nn::Backbone*>(teacher.get());
  REQUIRE(network != nullptr);
  const torch::Tensor map = network->forward(Built::images(1), {"layer2"}).taps.at("layer2");
  REQUIRE(map.size(2) == 4);
  const torch::Tensor inner = map.slice(2, 1, 3).slice(3, 1, 3).mean({2, 3});
  CHECK(torch::allclose(built.state("vocabulary_layer2.ring.rows").slice(0, 0, 8), inner, 1e-4, 1e-5));
}

TEST_CASE("obow: what does not fit is refused, with the options' names") {
  const auto message = [](const nlohmann::json& options) {
    return test::error_of(core::Exit::usage, [&] {
      Built built("obow", with(options));
      static_cast<void>(built.method->views(16));
    });
  };
  CHECK(test::contains(message({{"border", 40}}), "--border 40"));
  CHECK(test::contains(message({{"levels", nlohmann::json::array({"layer9"})}}), "layer9"));
  CHECK(test::contains(message({{"levels", {"layer2", "layer2"}}}), "--levels"));
  CHECK(test::contains(message({{"larges", 0}, {"smalls", 0}}), "--smalls 0"));
}
