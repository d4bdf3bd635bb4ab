// Oracles of OBoW (arXiv 2012.11552) that concern its vocabulary and bags of words.
#include "nn/vocabulary.h"
#include "core/error.h"
#include "nn/state.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

using namespace selfsight;
using formula::largest_difference;

namespace {

/// In float64, with the given words.
std::shared_ptr<nn::Vocabulary> vocabulary(const torch::Tensor& words, nn::VocabularyOptions options = {}) {
  options.words = words.size(0);
  options.dim = words.size(1);
  auto out = std::make_shared<nn::Vocabulary>(options);
  out->to(torch::kFloat64);
  nn::named_state(*out).at("ring.rows").copy_(words);
  return out;
}

/// N x C x 1 x places, from rows N x places x C.
torch::Tensor map_of(const torch::Tensor& rows) { return rows.transpose(1, 2).unsqueeze(2); }

torch::Tensor matrix(const std::vector<std::vector<double>>& rows) {
  std::vector<torch::Tensor> out;
  for (const auto& row : rows) out.push_back(torch::tensor(row, torch::kFloat64));
  return torch::stack(out);
}

/// Section 3.2 as loops.
torch::Tensor bag_by_loops(const torch::Tensor& places, const torch::Tensor& words, double factor, bool max) {
  torch::Tensor bag = torch::zeros({words.size(0)}, torch::kFloat64);
  for (std::int64_t j = 0; j < places.size(0); ++j) {
    std::vector<double> code;
    double sum = 0;
    for (std::int64_t k = 0; k < words.size(0); ++k) {
      code.push_back(std::exp(-factor * (places[j] - words[k]).square().sum().item<double>()));
      sum += code.back();
    }
    for (std::int64_t k = 0; k < words.size(0); ++k) {
      const double a = code[static_cast<std::size_t>(k)] / sum, old = bag[k].item<double>();
      bag[k] = max ? std::max(a, old) : old + a;
    }
  }
  return bag / bag.sum();
}

}  // namespace

TEST_CASE("vocabulary: the hand case") {
  const auto v = vocabulary(matrix({{0, 0}, {2, 0}, {0, 2}}));
  const torch::Tensor map = map_of(matrix({{0, 0}, {2, 0}}).unsqueeze(0));
  const torch::Tensor t = v->bags(map);  // both places are words: mu moves to 0.99 x 0.5
  CHECK(largest_difference(t, matrix({{0.5, 0.5, 0}})) < 1e-12);
  CHECK(t[0][2].item<double>() > 0);  // of e^-121
  CHECK(v->mean_distance() == 0.5);   // until the commit
  v->commit();
  CHECK(v->mean_distance() == doctest::Approx(0.495).epsilon(1e-7));
  CHECK(15 / v->mean_distance() == doctest::Approx(30.303).epsilon(1e-5));

  // A third place, off the words: squared distances 1, 1, 5; not saturated.
  const auto soft = vocabulary(matrix({{0, 0}, {2, 0}, {0, 2}}), {.kappa = 0.1});
  const torch::Tensor places = matrix({{0, 0}, {2, 0}, {1, 0}});
  const double mu = 0.99 * 0.5 + 0.01 * (0.0 + 0.0 + 1.0) / 3;
  CHECK(largest_difference(soft->bags(map_of(places.unsqueeze(0)))[0],
                           bag_by_loops(places, matrix({{0, 0}, {2, 0}, {0, 2}}), 0.1 / mu, /*max=*/true)) < 1e-12);
}

TEST_CASE("vocabulary: bags are those of loops in float64, sum to 1, and know nothing of the order of places") {
  torch::manual_seed(1);
  const torch::Tensor words = torch::randn({20, 6}, torch::kFloat64), maps = torch::randn({3, 6, 4, 5}, torch::kFloat64);
  for (const std::string pool : {"max", "mean"}) {
    CAPTURE(pool);
    const auto v = vocabulary(words, {.kappa = 2, .pool = pool});
    v->eval();
    const torch::Tensor t = v->bags(maps);
    for (std::int64_t n = 0; n < 3; ++n)
      CHECK(largest_difference(t[n], bag_by_loops(maps[n].flatten(1).t(), words, 2 / 0.5, pool == "max")) < 1e-12);
    CHECK(largest_difference(t.sum(1), torch::ones({3})) < 1e-12);
    const torch::Tensor shuffled = maps.flatten(2).index_select(2, torch::randperm(20)).view({3, 6, 4, 5});
    CHECK(largest_difference(v->bags(shuffled), t) < 1e-12);
    // Words in another order: the same bags in that order.
    const torch::Tensor order = torch::randperm(20);
    const auto other = vocabulary(words.index_select(0, order), {.kappa = 2, .pool = pool});
    other->eval();
    CHECK(largest_difference(other->bags(maps), t.index_select(1, order)) < 1e-12);
    // float32 as in a run.
    v->to(torch::kFloat32);
    CHECK(largest_difference(v->bags(maps.to(torch::kFloat32)), t) < 1e-5);
  }
}

TEST_CASE("vocabulary: sharp codes are hard assignments") {
  // Five places near words 3, 3, 0, 7, 3.
  torch::manual_seed(2);
  const torch::Tensor words = 10 * torch::randn({9, 4}, torch::kFloat64);
  const torch::Tensor places =
      words.index_select(0, torch::tensor({3, 3, 0, 7, 3}, torch::kInt64)) + 0.01 * torch::randn({5, 4}, torch::kFloat64);
  const torch::Tensor map = map_of(places.unsqueeze(0));
  torch::Tensor present = torch::zeros({9}, torch::kFloat64), frequent = torch::zeros({9}, torch::kFloat64);
  for (const std::int64_t word : {0, 3, 7}) present[word] = 1.0 / 3;
  frequent[0] = frequent[7] = 0.2;
  frequent[3] = 0.6;
  CHECK(largest_difference(vocabulary(words, {.kappa = 1e6, .pool = "max"})->bags(map)[0], present) < 1e-12);
  CHECK(largest_difference(vocabulary(words, {.kappa = 1e6, .pool = "mean"})->bags(map)[0], frequent) < 1e-12);
}

TEST_CASE("vocabulary: one word an image, the oldest go first, nothing before the commit") {
  const auto v = vocabulary(torch::zeros({8, 2}, torch::kFloat64), {.word = "place"});
  const auto batch = [](double first) {  // four images of one place each
    return (torch::arange(4, torch::kFloat64) + first).view({4, 1, 1, 1}).expand({4, 2, 1, 1}).clone();
  };
  const auto tags = [&] { return v->words().select(1, 0).clone(); };
  v->stage(batch(1));
  CHECK(tags().abs().max().item<double>() == 0);
  v->commit();
  v->stage(batch(5));
  v->commit();
  CHECK(torch::equal(tags(), torch::arange(1, 9, torch::kFloat64)));
  const torch::Tensor before = v->bags(batch(9));
  v->discard();  // mu too
  v->stage(batch(9));
  v->commit();
  CHECK(torch::equal(tags(), torch::tensor({9.0, 10.0, 11.0, 12.0, 5.0, 6.0, 7.0, 8.0}, torch::kFloat64)));
  CHECK(largest_difference(v->bags(batch(9)), before) > 0.1);
  v->stage(batch(20));
  v->discard();
  v->commit();
  CHECK(tags()[4].item<double>() == 5);
}

TEST_CASE("vocabulary: what an image gives: the mean of 3 x 3 neighbours, a place, the mean of all; a small map its whole mean") {
  torch::manual_seed(3);
  const auto given = [](const torch::Tensor& maps, const std::string& word) {
    const auto v = vocabulary(torch::zeros({maps.size(0), maps.size(1)}, torch::kFloat64), {.word = word});
    v->stage(maps);
    v->commit();
    return v->words().clone();
  };
  const torch::Tensor map = torch::randn({1, 3, 5, 5}, torch::kFloat64), maps = map.expand({200, 3, 5, 5});
  const torch::Tensor means = torch::avg_pool2d(map, 3, 1).flatten(2)[0].t();  // 9 candidates
  const torch::Tensor local = given(maps, "local");
  const torch::Tensor distance = (local.unsqueeze(1) - means.unsqueeze(0)).abs().amax(2);
  CHECK(distance.amin(1).max().item<double>() < 1e-12);             // each is one of them
  CHECK(distance.lt(1e-12).sum(0).min().item<std::int64_t>() > 0);  // and each of them comes up in 200 draws (but for 5e-10)
  const torch::Tensor places = map.flatten(2)[0].t();
  CHECK((given(maps, "place").unsqueeze(1) - places.unsqueeze(0)).abs().amax(2).amin(1).max().item<double>() == 0);
  CHECK(largest_difference(given(map, "global"), map.mean({2, 3})) < 1e-12);
  const torch::Tensor tiny = torch::randn({1, 3, 2, 2}, torch::kFloat64);
  CHECK(largest_difference(given(tiny, "local"), tiny.mean({2, 3})) < 1e-12);
}

TEST_CASE("vocabulary: starts as rectified noise; a fixed one keeps the first words that fill it; all of it is saved") {
  torch::manual_seed(4);
  nn::Vocabulary start({.words = 4000, .dim = 5});
  CHECK(start.words().min().item<double>() == 0);
  CHECK(start.words().mean().item<double>() == doctest::Approx(1 / std::sqrt(2 * std::numbers::pi)).epsilon(0.03));
  nn::Vocabulary fixed({.words = 6, .dim = 1, .word = "place", .fixed = true});
  for (const double value : {1.0, 2.0, 3.0}) {
    fixed.stage(torch::full({4, 1, 1, 1}, value));
    fixed.commit();
  }
  CHECK(torch::equal(fixed.words().flatten(), torch::tensor({2.0F, 2.0F, 1.0F, 1.0F, 2.0F, 2.0F})));
  nn::Vocabulary other({.words = 6, .dim = 1, .word = "place", .fixed = true});
  fixed.bags(torch::ones({4, 1, 2, 2}) * 7);
  fixed.commit();
  nn::load_state(other, nn::named_state(fixed));
  CHECK(torch::equal(other.words(), fixed.words()));
  CHECK(other.mean_distance() == fixed.mean_distance());
  CHECK(fixed.mean_distance() == doctest::Approx(0.495 + 0.01 * 25));
  other.stage(torch::full({4, 1, 1, 1}, 9.0));
  other.commit();
  CHECK(torch::equal(other.words(), fixed.words()));
  CHECK_THROWS_AS(nn::Vocabulary({.words = 0, .dim = 3}), core::Error);
}

// Numbers of the released formula (valeoai/obow, BoWExtractor: border cut, distances by a convolution, mu, softmax, pooling, L1) in
// float64:
//   import torch, torch.nn.functional as F
//   i = lambda *s: torch.arange(torch.Size(s).numel(), dtype=torch.float64).view(s)
//   x = torch.sin(0.7 * i(2, 3, 5, 6))[:, :, 1:-1, 1:-1]; w = torch.cos(1.3 * i(7, 3)).clamp(min=0)
//   d = x.pow(2).sum(1, keepdim=True) + F.conv2d(x, -2 * w[:, :, None, None], w.pow(2).sum(1))
//   mu = 0.5 * 0.99 + 0.01 * d.min(1)[0].mean(); a = torch.softmax(-15 / mu * d, 1)
//   for t in (a.amax((2, 3)), a.mean((2, 3))): print(mu.item(), F.normalize(t, p=1, dim=1))
TEST_CASE("vocabulary: numbers of the released formula") {
  const auto count = [](std::vector<std::int64_t> shape) {
    const auto n = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    return torch::arange(n, torch::kFloat64).view(shape);
  };
  const torch::Tensor maps = torch::sin(0.7 * count({2, 3, 5, 6})).slice(2, 1, 4).slice(3, 1, 5);
  const torch::Tensor words = torch::cos(1.3 * count({7, 3})).clamp_min(0);
  const torch::Tensor max = matrix({{0.070780176, 0.001155431, 0.049723003, 0.219547514, 0.219598613, 0.219598604, 0.219596659},
                                    {0.025736236, 0.027853738, 0.122738671, 0.205888751, 0.205928140, 0.205927983, 0.205926481}}),
                      mean = matrix({{0.051876249, 0.000439510, 0.018892314, 0.083400281, 0.332894843, 0.281446611, 0.231050192},
                                     {0.019638209, 0.011271630, 0.049686361, 0.116435969, 0.322059898, 0.313695037, 0.167212896}});
  for (const auto& [pool, expected] : {std::pair{std::string("max"), max}, std::pair{std::string("mean"), mean}}) {
    CAPTURE(pool);
    const auto v = vocabulary(words, {.pool = pool});
    CHECK(largest_difference(v->bags(maps), expected) < 1e-6);
    v->commit();
    CHECK(v->mean_distance() == doctest::Approx(0.504829303).epsilon(1e-7));
  }
}

TEST_CASE("perplexity: how many words are used") {
  CHECK(nn::perplexity(torch::eye(5)).item<double>() == doctest::Approx(1));
  CHECK(nn::perplexity(torch::eye(5).mean(0, true)).item<double>() == doctest::Approx(5));
  CHECK(nn::perplexity(torch::tensor({{0.5F, 0.5F, 0.0F}, {1.0F, 0.0F, 0.0F}})).item<double>() == doctest::Approx(1.5));
}
