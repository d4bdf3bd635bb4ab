// The loss of BINGO and HSA, and CutMix (arXiv 2107.01691, 2012.02733, 1905.04899).
#include "nn/bag_loss.h"
#include "nn/cutmix.h"
#include "nn/losses.h"
#include "unit/support.h"

#include <cmath>

using namespace selfsight;

namespace {

torch::Tensor unit(std::int64_t rows, std::int64_t dim) { return nn::unit_rows(torch::randn({rows, dim}, torch::kFloat64)); }

/// l(u, k), one row at a time.
double one(const torch::Tensor& u, const torch::Tensor& k, const torch::Tensor& queue, double tau) {
  double sum = 0;
  for (std::int64_t i = 0; i < u.size(0); ++i) {
    const double positive = std::exp(u[i].dot(k[i]).item<double>() / tau);
    double all = positive;
    for (std::int64_t j = 0; j < queue.size(0); ++j) all += std::exp(u[i].dot(queue[j]).item<double>() / tau);
    sum -= std::log(positive / all);
  }
  return sum / static_cast<double>(u.size(0));
}

}  // namespace

TEST_CASE("bag loss: equal embeddings give ln(1 + |Q|) whatever the weights") {
  const torch::Tensor same = nn::unit_rows(torch::ones({3, 4}, torch::kFloat64)),
                      queue = nn::unit_rows(torch::ones({65536, 4}, torch::kFloat64));
  for (const nn::BagWeights weights : {nn::BagWeights{1, 0, 0.3}, nn::BagWeights{0.5, 0.5, 0.9}}) {
    CHECK(nn::bag_loss({same, same, same}, same, same, queue, weights, 0.2).item<double>() == doctest::Approx(11.090370).epsilon(1e-7));
    CHECK(nn::bag_loss({same, same, {}}, same, same, queue, weights, 0.2).item<double>() == doctest::Approx(11.090370).epsilon(1e-7));
  }
}

TEST_CASE("bag loss: as a double loop over rows and queue has it; the mean of two MoCo losses without mixture and cross terms") {
  torch::manual_seed(3);
  const auto ua = unit(5, 8), ub = unit(5, 8), uc = unit(5, 8), ka = unit(5, 8), kb = unit(5, 8), queue = unit(11, 8);
  const double tau = 0.2, kept = 0.7;
  const double expected = (0.5 * one(ua, ka, queue, tau) + 0.5 * one(ua, kb, queue, tau) + 0.5 * one(ub, kb, queue, tau) +
                           0.5 * one(ub, ka, queue, tau) + kept * one(uc, ka, queue, tau) + (1 - kept) * one(uc, kb, queue, tau)) /
                          3;
  CHECK(nn::bag_loss({ua, ub, uc}, ka, kb, queue, {0.5, 0.5, kept}, tau).item<double>() == doctest::Approx(expected).epsilon(1e-12));
  const double moco = (nn::info_nce(ua, ka, queue, tau) + nn::info_nce(ub, kb, queue, tau)).item<double>() / 2;
  CHECK(nn::bag_loss({ua, ub, {}}, ka, kb, queue, {1, 0, 1}, tau).item<double>() == doctest::Approx(moco).epsilon(1e-12));
  // Anchor and mate can change places when the mixture is half and half.
  CHECK(nn::bag_loss({ua, ub, uc}, ka, kb, queue, {0.5, 0.5, 0.5}, tau).item<double>() ==
        doctest::Approx(nn::bag_loss({ub, ua, uc}, kb, ka, queue, {0.5, 0.5, 0.5}, tau).item<double>()).epsilon(1e-12));
}

TEST_CASE("bag loss: a positive is not in the other one's denominator") {
  // One softmax over both positives would give another value: ln(1 + e^(s2 - s1) + ...) instead of ln(1 + ...).
  const auto u = torch::tensor({{1.0, 0.0}}, torch::kFloat64), far = torch::tensor({{0.0, 1.0}}, torch::kFloat64);
  const double loss = nn::bag_loss({u, u, {}}, u, u, far, {0.5, 0.5, 1}, 1.0).item<double>();
  CHECK(loss == doctest::Approx(std::log(1 + std::exp(-1.0))).epsilon(1e-12));
}

TEST_CASE("CutMix: what is kept is counted after clipping, the key of it all is exact, and the first batch stays as it was") {
  const torch::Tensor a = torch::zeros({2, 3, 10, 12}), b = torch::ones({2, 3, 10, 12});
  for (const double share : {0.0, 0.25, 0.5, 0.9, 1.0})
    for (const std::int64_t y : {0, 4, 9})
      for (const std::int64_t x : {0, 7, 11}) {
        const auto mixed = nn::cut_mix(a, b, share, y, x);
        CHECK(mixed.images.eq(0).to(torch::kFloat64).mean().item<double>() == doctest::Approx(mixed.kept).epsilon(1e-12));
        CHECK(a.eq(0).all().item<bool>());
        if (share == 1.0) CHECK(torch::equal(mixed.images, a));
      }
  // The box of 1 - 0.75 is half as wide and half as high; at a corner only a quarter of it is inside.
  CHECK(nn::cut_mix(a, b, 0.75, 5, 6).kept == doctest::Approx(1 - (4.0 * 6.0) / 120));
  CHECK(nn::cut_mix(a, b, 0.75, 0, 0).kept == doctest::Approx(1 - (2.0 * 3.0) / 120));
}

TEST_CASE("CutMix: shares are Beta(2, 2)") {
  core::Rng rng(1, core::Stream::test);
  double sum = 0, square = 0;
  const int draws = 20000;
  for (int i = 0; i < draws; ++i) {
    const double x = rng.beta(2, 2);
    sum += x;
    square += x * x;
  }
  const double mean = sum / draws;
  CHECK(mean == doctest::Approx(0.5).epsilon(0.01));
  CHECK(square / draws - mean * mean == doctest::Approx(0.05).epsilon(0.03));  // 1 / (4 (2 * 2 + 1))
}
