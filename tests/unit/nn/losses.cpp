// Losses and assignments against closed forms and naive float64 loops.
#include "nn/losses.h"
#include "nn/sinkhorn.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <ATen/autocast_mode.h>

#include <vector>

using namespace selfsight;
using formula::largest_difference;

namespace {

const auto f64 = torch::TensorOptions().dtype(torch::kFloat64);

double dot_product(const torch::Tensor& a, const torch::Tensor& b) { return a.dot(b).item<double>(); }

/// d loss / d x by central differences.
torch::Tensor numeric_gradient(torch::Tensor x, const std::function<double()>& loss) {
  const torch::NoGradGuard no_grad;
  constexpr double h = 1e-5;
  torch::Tensor out = torch::empty_like(x);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    torch::Tensor value = x.view(-1)[i];
    const double keep = value.item<double>();
    value.fill_(keep + h);
    const double above = loss();
    value.fill_(keep - h);
    const double below = loss();
    value.fill_(keep);
    out.view(-1)[i] = (above - below) / (2 * h);
  }
  return out;
}

}  // namespace

TEST_CASE("InfoNCE: closed forms") {
  // Positive cosine 1, all negatives orthogonal: ln(1 + K exp(-1/tau)).
  const torch::Tensor q = torch::tensor({{1.0, 0.0}}, f64), orthogonal = torch::tensor({{0.0, 1.0}}, f64).expand({65536, 2});
  CHECK(nn::info_nce(q, q, orthogonal, 0.2).item<double>() == doctest::Approx(std::log(1 + 65536 * std::exp(-5.0))).epsilon(1e-12));
  CHECK(nn::info_nce(q, q, orthogonal, 0.2).item<double>() == doctest::Approx(6.09262).epsilon(1e-6));
  CHECK(nn::info_nce(q, q, q.expand({65536, 2}), 0.2).item<double>() == doctest::Approx(11.09037).epsilon(1e-6));  // all equal: ln(K + 1)
}

TEST_CASE("InfoNCE: value and gradient of a naive loop") {
  torch::manual_seed(11);
  constexpr std::int64_t n = 5, m = 13, d = 6;
  constexpr double tau = 0.2;
  const torch::Tensor q = nn::unit_rows(torch::randn({n, d}, f64)).requires_grad_(), k = nn::unit_rows(torch::randn({n, d}, f64));
  const torch::Tensor bank = nn::unit_rows(torch::randn({m, d}, f64));
  const torch::Tensor loss = nn::info_nce(q, k, bank, tau);
  loss.backward();
  double expected = 0;
  const torch::NoGradGuard no_grad;
  const torch::Tensor gradient = torch::zeros({n, d}, f64);
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<double> p = {std::exp(dot_product(q[i], k[i]) / tau)};
    for (std::int64_t j = 0; j < m; ++j) p.push_back(std::exp(dot_product(q[i], bank[j]) / tau));
    double sum = 0;
    for (const double value : p) sum += value;
    expected -= std::log(p[0] / sum) / n;
    gradient[i] += (p[0] / sum - 1) * k[i];
    for (std::int64_t j = 0; j < m; ++j) gradient[i] += p[static_cast<std::size_t>(j) + 1] / sum * bank[j];
    gradient[i] /= n * tau;
  }
  CHECK(loss.item<double>() == doctest::Approx(expected).epsilon(1e-12));
  CHECK(largest_difference(q.grad(), gradient) < 1e-9);
  CHECK(std::abs(nn::info_nce(q, k, bank + 0.01, tau).item<double>() - expected) > 1e-6);
}

TEST_CASE("NT-Xent: closed form and symmetries") {
  const torch::Tensor same = torch::ones({256, 8}, f64);
  CHECK(nn::nt_xent(same, same, 0.5).item<double>() == doctest::Approx(6.23637).epsilon(1e-6));  // ln(2N - 1)
  torch::manual_seed(12);
  const torch::Tensor a = torch::randn({7, 5}, f64), b = torch::randn({7, 5}, f64);
  const double loss = nn::nt_xent(a, b, 0.3).item<double>();
  CHECK(nn::nt_xent(b, a, 0.3).item<double>() == doctest::Approx(loss).epsilon(1e-12));
  const torch::Tensor rotation = std::get<0>(at::linalg_qr(torch::randn({5, 5}, f64)));
  CHECK(nn::nt_xent(a.matmul(rotation), b.matmul(rotation), 0.3).item<double>() == doctest::Approx(loss).epsilon(1e-12));
  CHECK(nn::nt_xent(3 * a, b, 0.3).item<double>() == doctest::Approx(loss).epsilon(1e-12));
}

TEST_CASE("NT-Xent: value of a naive loop, gradient by differences") {
  torch::manual_seed(13);
  constexpr std::int64_t n = 6, d = 4;
  constexpr double tau = 0.5;
  torch::Tensor z1 = torch::randn({n, d}, f64).requires_grad_(), z2 = torch::randn({n, d}, f64).requires_grad_();
  const torch::Tensor loss = nn::nt_xent(z1, z2, tau);
  loss.backward();
  const auto naive = [&] {
    const torch::NoGradGuard no_grad;
    const torch::Tensor z = nn::unit_rows(torch::cat({z1, z2}));
    double sum = 0;
    for (std::int64_t i = 0; i < 2 * n; ++i) {
      double below = 0;
      for (std::int64_t j = 0; j < 2 * n; ++j)
        if (j != i) below += std::exp(dot_product(z[i], z[j]) / tau);
      sum -= std::log(std::exp(dot_product(z[i], z[(i + n) % (2 * n)]) / tau) / below);
    }
    return sum / (2 * n);
  };
  CHECK(loss.item<double>() == doctest::Approx(naive()).epsilon(1e-12));
  const torch::Tensor g1 = z1.grad().clone(), g2 = z2.grad().clone();
  CHECK(largest_difference(g1, numeric_gradient(z1, naive)) < 1e-8);
  CHECK(largest_difference(g2, numeric_gradient(z2, naive)) < 1e-8);
}

TEST_CASE("losses stay in float32 under bf16 autocast") {
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  torch::manual_seed(14);
  const torch::Tensor q = nn::unit_rows(torch::randn({8, 16})), k = nn::unit_rows(torch::randn({8, 16}));
  const torch::Tensor halved = torch::matmul(q, k.t());
  const torch::Tensor inside = nn::info_nce(q, k, k, 0.1), pairs = nn::nt_xent(q, k, 0.1);
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  CHECK((halved.scalar_type() == torch::kBFloat16));  // autocast was on
  CHECK(inside.item<float>() == nn::info_nce(q, k, k, 0.1).item<float>());
  CHECK(pairs.item<float>() == nn::nt_xent(q, k, 0.1).item<float>());
}

TEST_CASE("cross-entropy with soft targets, cosine losses") {
  const torch::Tensor uniform = torch::full({4, 3000}, 1.0 / 3000, f64);
  CHECK(nn::soft_cross_entropy(uniform, torch::zeros({4, 3000}, f64)).item<double>() == doctest::Approx(8.006368).epsilon(1e-7));
  torch::manual_seed(15);
  const torch::Tensor targets = torch::softmax(torch::randn({6, 5}, f64), 1);
  const torch::Tensor logits = torch::randn({6, 5}, f64).requires_grad_();
  nn::soft_cross_entropy(targets, logits).backward();
  CHECK(largest_difference(logits.grad(), (torch::softmax(logits.detach(), 1) - targets) / 6) < 1e-12);
  const torch::Tensor a = torch::tensor({{3.0, 0.0}, {0.0, 2.0}}, f64), b = torch::tensor({{1.0, 0.0}, {0.0, -5.0}}, f64);
  CHECK(nn::cosine_loss(a, a).item<double>() == doctest::Approx(0).epsilon(1e-12));
  CHECK(nn::cosine_loss(a, b).item<double>() == doctest::Approx(2));
  CHECK(nn::negative_cosine(a, a).item<double>() == doctest::Approx(-1));
  CHECK(nn::negative_cosine(a, -a).item<double>() == doctest::Approx(1));
}

TEST_CASE("Sinkhorn: closed forms") {
  CHECK((nn::sinkhorn(torch::full({6, 10}, 0.3, f64), 0.05, 3) - 0.1).abs().max().item<double>() < 1e-14);
  const torch::Tensor eye = torch::eye(4, f64);
  for (const std::int64_t iterations : {0, 1, 3, 50}) {
    const torch::Tensor q = nn::sinkhorn(eye, 1.0, iterations);
    CHECK(q[1][1].item<double>() == doctest::Approx(std::exp(1.0) / (std::exp(1.0) + 3)).epsilon(1e-12));
    CHECK(q[1][2].item<double>() == doctest::Approx(1 / (std::exp(1.0) + 3)).epsilon(1e-12));
  }
  CHECK(largest_difference(nn::sinkhorn(eye, 1e-4, 3), eye) < 1e-12);  // exp(1e4) would overflow
}

TEST_CASE("Sinkhorn: the order of the released code, invariances, convergence") {
  torch::manual_seed(16);
  constexpr std::int64_t b = 24, k = 7;
  const torch::Tensor scores = nn::unit_rows(torch::randn({b, 9}, f64)).matmul(nn::unit_rows(torch::randn({k, 9}, f64)).t());
  torch::Tensor q = (scores / 0.05).exp().t();  // K x B, step by step
  q = q / q.sum();
  for (int i = 0; i < 3; ++i) {
    q = q / q.sum(1, true) / k;
    q = q / q.sum(0, true) / b;
  }
  q = (q * b).t();
  const torch::Tensor ours = nn::sinkhorn(scores, 0.05, 3);
  CHECK(largest_difference(ours, q) < 1e-12);
  CHECK(largest_difference(nn::sinkhorn(scores.to(torch::kFloat32), 0.05, 3), q) < 1e-5);
  CHECK((ours.sum(1) - 1).abs().max().item<double>() < 1e-12);
  const torch::Tensor per_prototype = scores + torch::randn({1, k}, f64), per_sample = scores + torch::randn({b, 1}, f64);
  CHECK(largest_difference(nn::sinkhorn(per_prototype, 0.05, 3), ours) < 1e-11);
  CHECK(largest_difference(nn::sinkhorn(per_sample, 0.05, 3), ours) > 1e-3);
  const torch::Tensor converged = nn::sinkhorn(scores, 0.05, 3000);
  CHECK(largest_difference(nn::sinkhorn(per_sample, 0.05, 3000), converged) < 1e-9);
  CHECK((converged.sum(0) - static_cast<double>(b) / k).abs().max().item<double>() < 1e-9);
  CHECK(!nn::sinkhorn(scores.clone().requires_grad_(), 0.05, 3).requires_grad());
}
