// Oracles of Hallucinator (arXiv 2307.12168).
#include "methods/hallucinator.h"
#include "unit/methods/runs.h"

#include "nn/losses.h"

using namespace selfsight;
using test::Built;

namespace {

const nlohmann::json tiny = {{"dim", 16},    {"queue", 24},     {"shuffle-groups", 1},
                             {"hidden", 32}, {"bottleneck", 8}, {"hallucinator-hidden", 20}};

nlohmann::json known_to(const std::string& host, nlohmann::json more = nlohmann::json::object()) {
  core::Options options;
  train::Run run;
  train::choose_method(run, host, {"hallucinator"});
  run.network->describe(options);
  nlohmann::json values = more;
  for (const auto& [name, value] : tiny.items())
    if (options.find(name) != nullptr) values[name] = value;
  return values;
}

struct Wrapped : Built {
  Wrapped(const std::string& host, const nlohmann::json& more = nlohmann::json::object())
      : Built(host, known_to(host, more), {"hallucinator"}) {}
  methods::Hallucinator& modifier() { return dynamic_cast<methods::Hallucinator&>(*method); }
  train::PairMethod& host() { return dynamic_cast<train::PairMethod&>(*method->named_children()["host"]); }
};

}  // namespace

TEST_CASE("hallucinator: e is q at r = 0, and goes beyond q, away from k, by the closed form") {
  Wrapped built("simclr", {{"hallucinator-module", "none"}});
  torch::manual_seed(2);
  const torch::Tensor q = torch::randn({4, 16}), k = torch::randn({4, 16});
  CHECK(torch::equal(built.modifier().hallucinate(q, k, 0), q));
  // Unit rows at a cosine of 0.5.
  const auto a = torch::tensor({{1.0, 0.0}}, torch::kFloat64), b = torch::tensor({{0.5, std::sqrt(0.75)}}, torch::kFloat64);
  const auto e = nn::unit_rows(built.modifier().hallucinate(a, b, 0.1));
  CHECK((e * b).sum().item<double>() == doctest::Approx(0.427121).epsilon(1e-6));
}

TEST_CASE("hallucinator: M sees the raw [q; e]") {
  Wrapped built("simclr");
  const torch::Tensor q = torch::randn({3, 16}), k = torch::randn({3, 16});
  auto* generator = built.method->named_children()["generator"]->as<nn::Mlp>();
  REQUIRE(generator != nullptr);
  CHECK(generator->options().dims == std::vector<std::int64_t>{32, 20, 20, 16});
  CHECK(torch::equal(built.modifier().hallucinate(q, k, 0), generator->forward(torch::cat({q, q}, 1))));
  CHECK(torch::allclose(built.modifier().hallucinate(q, k, 0.05), generator->forward(torch::cat({q, 1.05 * q - 0.05 * k}, 1))));
}

TEST_CASE("hallucinator: with q~ = q the loss around moco is plain moco's") {
  Wrapped built("moco", {{"hallucinator-module", "none"}, {"extrapolation", 0.0}});
  Built plain("moco", {{"dim", 16}, {"queue", 24}, {"shuffle-groups", 1}});
  const auto a = Built::images(1), b = Built::images(2);
  torch::manual_seed(9);
  const double wrapped = built.step({a, b}).loss.item<double>();
  torch::manual_seed(9);
  CHECK(wrapped == doctest::Approx(plain.step({a, b}).loss.item<double>()).epsilon(1e-6));
}

TEST_CASE("hallucinator: further queries leave the pairs' own as they are; the loss is the mean over both") {
  for (const std::string host : {"moco", "simsiam"}) {
    CAPTURE(host);
    Wrapped built(host);
    const auto pair = built.host().encode(Built::images(1), Built::images(2), built.progress);
    const torch::Tensor made = built.modifier().hallucinate(pair.query, pair.counterpart(), 0.05);
    const auto loss = [&](const train::PairMethod::Pair& of) { return built.host().compare(of, built.progress).loss.item<double>(); };
    // SimSiam's pair holds both directions, half of its rows each.
    CHECK(loss(pair.with_queries(made)) == doctest::Approx((loss(pair) + loss({made, pair.key})) / 2).epsilon(1e-5));
    CHECK(loss(pair) != doctest::Approx(loss({made, pair.key})).epsilon(1e-3));
  }
}

TEST_CASE("hallucinator: gradients reach M and the query encoder by the hallucinated rows alone, and moco's key encoder never") {
  for (const std::string host : {"moco", "simclr", "simsiam"}) {
    CAPTURE(host);
    Wrapped built(host);
    const auto pair = built.host().encode(Built::images(1), Built::images(2), built.progress);
    CHECK(pair.key.requires_grad() == (host == "simclr"));
    const torch::Tensor made = built.modifier().hallucinate(pair.query, pair.counterpart(), 0.05);
    built.host().compare({made, pair.key}, built.progress).loss.backward();
    double generator = 0, encoder = 0;
    for (const auto& item : built.method->named_parameters()) {
      CAPTURE(item.key());
      if (item.key().starts_with("host.key.")) CHECK_FALSE(item.value().grad().defined());
      const double size = item.value().grad().defined() ? item.value().grad().abs().sum().item<double>() : 0;
      if (item.key().starts_with("generator.")) generator += size;
      if (item.key().starts_with("host.") && item.key().find("backbone") != std::string::npos) encoder += size;
    }
    CHECK(generator > 0);
    CHECK(encoder > 0);
  }
}

TEST_CASE("hallucinator: the enlarged NT-Xent of simclr has its closed forms") {
  Wrapped built("simclr", {{"temperature", 0.01}});
  const auto q = torch::eye(4, 16), same = torch::ones({4, 16});
  const train::PairMethod::Pair equal{same, same}, apart{q, q};
  CHECK(built.host().compare(equal.with_queries(same), built.progress).loss.item<double>() ==
        doctest::Approx(std::log(15.0)).epsilon(1e-5));
  CHECK(built.host().compare(apart.with_queries(q), built.progress).loss.item<double>() == doctest::Approx(std::log(3.0)).epsilon(1e-5));
}

TEST_CASE("hallucinator: around simsiam a prediction goes away from the other view's prediction and is compared with its projection") {
  Wrapped built("simsiam", {{"hallucinator-module", "none"}, {"extrapolation", 1.0}});
  const auto a = Built::images(1), b = Built::images(2);
  const auto pair = built.host().encode(a, b, built.progress);
  const auto p = pair.query.chunk(2), z = pair.key.chunk(2);
  torch::manual_seed(4);
  const double r = torch::rand({}, torch::kFloat64).item<double>();
  const auto towards = [](const torch::Tensor& query, const torch::Tensor& key) { return nn::negative_cosine(query, key).item<double>(); };
  const double expected =
      (towards(p[0], z[0]) + towards(p[1], z[1]) + towards((1 + r) * p[0] - r * p[1], z[0]) + towards((1 + r) * p[1] - r * p[0], z[1])) / 4;
  torch::manual_seed(4);
  CHECK(built.step({a, b}).loss.item<double>() == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("hallucinator: the first view's centres pile up at the edges of the central box and stay inside; the second's do not") {
  Wrapped built("simclr");
  const auto specs = built.method->views(1000);
  CHECK(specs.at(0).recipe.suppress_alpha == 0.1);
  CHECK(specs.at(1).recipe.suppress_alpha == 0);
  for (const double alpha : {0.1, 1.0}) {
    auto recipe = specs.at(0).recipe;
    recipe.suppress_alpha = alpha;
    recipe.scale_min = recipe.scale_max = 0.04;  // no crop that would stick out
    double sum = 0, square = 0;
    const int draws = 40000;
    for (int i = 0; i < draws; ++i) {
      core::Rng rng(7, core::Stream::test, static_cast<std::uint64_t>(i));
      const auto box = data::draw(recipe, 1000, 1000, rng).geometry.box;
      for (const double centre : {static_cast<double>(box.x) + static_cast<double>(box.width) / 2,
                                  static_cast<double>(box.y) + static_cast<double>(box.height) / 2}) {
        const double place = (centre / 1000 - 0.25) / 0.5;
        CHECK(place > -0.002);
        CHECK(place < 1.002);
        sum += place;
        square += place * place;
      }
    }
    const double mean = sum / (2 * draws), variance = square / (2 * draws) - mean * mean;
    CHECK(mean == doctest::Approx(0.5).epsilon(0.02));
    CHECK(variance == doctest::Approx(alpha == 0.1 ? 0.20833 : 1.0 / 12).epsilon(0.02));
  }
}

TEST_CASE("hallucinator: a host without pairs is refused") {
  for (const char* host : {"byol", "interclr"}) {  // InterCLR compares pairs, but must know of which images they are
    CAPTURE(host);
    train::Run run;
    try {
      train::choose_method(run, host, {"hallucinator"});
      FAIL("accepted");
    } catch (const core::Error& error) {
      CHECK(std::string(error.what()).find("--with hallucinator") != std::string::npos);
    }
  }
}
