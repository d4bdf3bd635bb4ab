// Oracles of MoCo (arXiv 1911.05722, 2003.04297) that concern the method as a whole; the loss itself is tested in nn.
#include "unit/methods/runs.h"

using namespace selfsight;
using test::Built;

namespace {
const nlohmann::json tiny = {{"queue", 24}, {"dim", 16}, {"shuffle-groups", 1}, {"ema", 0.9}};
}

TEST_CASE("moco: gradients reach the query encoder alone") {
  Built built("moco", tiny);
  built.step({Built::images(1), Built::images(2)}).loss.backward();
  for (const auto& item : built.method->named_parameters()) {
    CAPTURE(item.key());
    CHECK(item.value().grad().defined() == item.key().starts_with("query."));
  }
  CHECK_FALSE(built.state("queue.rows").requires_grad());
}

TEST_CASE("moco: a modifier gets the query as the head gives it, and the key at unit length") {
  Built built("moco", tiny);
  auto& method = dynamic_cast<train::PairMethod&>(*built.method);
  built.method->eval();
  const auto a = Built::images(1), b = Built::images(2);
  const auto pair = method.encode(a, b, built.progress);
  auto* query = built.method->named_children()["query"]->as<nn::Encoder<nn::Mlp>>();
  REQUIRE(query != nullptr);
  CHECK(torch::equal(pair.query, query->forward(a)));
  CHECK_FALSE(torch::allclose(pair.query.norm(2, 1), torch::ones({pair.query.size(0)}), 1e-2));
  CHECK(torch::allclose(pair.key.norm(2, 1), torch::ones({pair.key.size(0)})));
  CHECK_FALSE(pair.key.requires_grad());
}

TEST_CASE("moco: keys join the queue after the update, in order, at unit length, and overwrite the oldest") {
  Built built("moco", tiny);
  const torch::Tensor before = built.state("queue.rows").clone();
  built.step({Built::images(1), Built::images(2)});
  CHECK(torch::equal(built.state("queue.rows"), before));  // the batch must not meet its own keys
  for (int step = 1; step <= 4; ++step) {
    built.method->after_update(built.progress);
    const torch::Tensor rows = built.state("queue.rows");
    CHECK(torch::allclose(rows.norm(2, 1), torch::ones({24}), 0, 1e-6));
    const int changed = static_cast<int>((rows != before).any(1).sum().item<std::int64_t>());
    CHECK(changed == std::min(8 * step, 24));
    ++built.progress.step;
    built.step({Built::images(10 + step), Built::images(20 + step)});
  }
}

TEST_CASE("moco: the key encoder is the exact moving average of the query encoder, batch statistics left alone") {
  Built built("moco", tiny);
  const std::string name = "backbone.conv1.weight";
  CHECK(torch::equal(built.state("key." + name), built.state("query." + name)));
  const torch::Tensor start = built.state("key." + name).clone();
  const torch::NoGradGuard no_grad;
  built.state("query." + name).add_(1.0);
  const torch::Tensor statistics = built.state("key.backbone.bn1.running_mean").clone();
  built.state("query.backbone.bn1.running_mean").add_(5.0);
  for (int i = 0; i < 3; ++i) built.method->after_update(built.progress);
  const double kept = 0.9 * 0.9 * 0.9;
  CHECK(torch::allclose(built.state("key." + name), start * kept + (start + 1.0) * (1 - kept), 1e-5, 1e-6));
  CHECK(torch::equal(built.state("key.backbone.bn1.running_mean"), statistics));
}

TEST_CASE("moco: a queue and a positive of known cosines give the closed form") {
  // With all queue rows orthogonal to every query and key = query the loss is ln(1 + K e^(-1/tau)).
  const double tau = 0.2;
  const std::int64_t k = 65536;
  CHECK(std::log(1 + static_cast<double>(k) * std::exp(-1 / tau)) == doctest::Approx(6.09262).epsilon(1e-5));
  auto options = tiny;
  options["temperature"] = tau;
  Built built("moco", options);
  auto* pair = dynamic_cast<train::PairMethod*>(built.method.get());
  REQUIRE(pair != nullptr);
  const torch::NoGradGuard no_grad;
  torch::Tensor rows = built.state("queue.rows");
  rows.zero_();
  rows.select(1, 1).fill_(1.0);
  torch::Tensor q = torch::zeros({8, 16});
  q.select(1, 0).fill_(1.0);
  CHECK(pair->compare({q, q}, built.progress).loss.item<double>() == doctest::Approx(std::log(1 + 24 * std::exp(-1 / tau))).epsilon(1e-5));
}

TEST_CASE("moco: groups that do not divide the batch are refused with both numbers") {
  try {
    Built built("moco", {{"shuffle-groups", 3}});
    FAIL("accepted");
  } catch (const core::Error& error) {
    CHECK(error.exit() == core::Exit::usage);
    CHECK(std::string(error.what()).find("--shuffle-groups 3") != std::string::npos);
  }
}
