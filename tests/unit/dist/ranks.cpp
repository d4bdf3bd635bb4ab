#include "dist/ranks.h"
#include "dist/gradients.h"

#include "unit/ranks.h"
#include "unit/support.h"

#include <torch/nn/modules/activation.h>

using namespace selfsight;

namespace {
const auto f64 = torch::TensorOptions().dtype(torch::kFloat64);
}

TEST_CASE("ranks: one that is alone gives back what it got") {
  const dist::Ranks alone;
  const torch::Tensor x = torch::randn({3, 2}).requires_grad_();
  CHECK(alone.gather(x).equal(x));
  CHECK_FALSE(alone.gather(x).requires_grad());
  CHECK(alone.gather_with_gradient(x).requires_grad());
  CHECK(alone.own_rows(x).is_same(x));
  CHECK(alone.whole_like(x).is_same(x));
  CHECK(alone.broadcast("text") == "text");
}

TEST_CASE("ranks: what they do together") {
  for (const int size : {2, 3, 4}) {
    CAPTURE(size);
    const torch::Tensor whole = torch::randn({size * 4, 3}, f64);
    for (const auto& gathered : test::of_ranks(size, [&](const dist::Ranks& r) { return r.gather(r.own_rows(whole)); }))
      CHECK(gathered.equal(whole));
    for (const auto& mean : test::of_ranks(size, [&](const dist::Ranks& r) { return r.mean(r.own_rows(whole).mean(0)); }))
      CHECK(mean.allclose(whole.mean(0), 0, 1e-14));
    const auto parts = test::of_ranks(size, [&](const dist::Ranks& r) {
      const auto [begin, end] = r.own_part(10);
      return r.gather_parts(torch::arange(begin, end));
    });
    for (const auto& all : parts) CHECK(all.equal(torch::arange(10)));
    const auto first = test::of_ranks(size, [&](const dist::Ranks& r) {
      torch::Tensor x = torch::full({2, 2}, r.rank() + 7.0).t();  // not contiguous
      r.broadcast_(x);
      return x;
    });
    for (const auto& x : first) CHECK(x.equal(torch::full({2, 2}, 7.0)));
    std::vector<std::vector<std::string>> texts(static_cast<std::size_t>(size));
    std::vector<std::string> told(static_cast<std::size_t>(size));
    test::with_ranks(size, [&](const dist::Ranks& r) {
      texts[static_cast<std::size_t>(r.rank())] = r.gather(std::string(static_cast<std::size_t>(r.rank()), 'x'));
      told[static_cast<std::size_t>(r.rank())] = r.broadcast(r.first() ? "from the first" : "of another's own");
    });
    for (const auto& of_rank : texts)
      for (std::size_t r = 0; r < of_rank.size(); ++r) CHECK(of_rank[r] == std::string(r, 'x'));
    for (const auto& text : told) CHECK(text == "from the first");
  }
}

TEST_CASE("ranks: images keep their layout on the way") {
  const torch::Tensor whole = torch::randn({4, 3, 5, 6}).contiguous(torch::MemoryFormat::ChannelsLast);
  for (const auto& all : test::of_ranks(2, [&](const dist::Ranks& r) { return r.gather(r.own_rows(whole)); })) {
    CHECK(all.equal(whole));
    CHECK(all.is_contiguous(torch::MemoryFormat::ChannelsLast));
  }
  for (const auto& like : test::of_ranks(2, [&](const dist::Ranks& r) { return r.whole_like(r.own_rows(whole)); })) {
    CHECK(like.sizes() == whole.sizes());
    CHECK(like.is_contiguous(torch::MemoryFormat::ChannelsLast));
  }
}

TEST_CASE("ranks: gathered rows bring their gradient home") {
  // A rank's loss looks at all rows: sum over ranks of (w_r . all), so the gradient of a row is the sum of all weights for it.
  const torch::Tensor whole = torch::randn({6, 2}, f64), weights = torch::randn({3, 6, 2}, f64);
  const auto grads = test::of_ranks(3, [&](const dist::Ranks& r) {
    const torch::Tensor own = r.own_rows(whole).clone().requires_grad_();
    (r.gather_with_gradient(own) * weights[r.rank()]).sum().backward();
    return own.grad();
  });
  CHECK(torch::cat(grads).allclose(weights.sum(0), 0, 1e-14));
}

TEST_CASE("gradients: the mean over ranks, after the last of several backward passes; what nothing depends on has none") {
  const torch::Tensor inputs = torch::randn({2, 8, 5}, f64);  // two batches
  const auto make = [] {
    torch::nn::Sequential net(torch::nn::Linear(5, 4), torch::nn::Tanh(), torch::nn::Linear(4, 3));
    const torch::NoGradGuard no_grad;
    double at = 0;
    for (auto& parameter : net->parameters()) parameter.copy_((torch::arange(parameter.numel()).view_as(parameter) + at++).sin());
    net->to(torch::kFloat64);
    return net;
  };
  auto whole = make();
  for (int batch = 0; batch < 2; ++batch) whole->forward(inputs[batch]).square().mean().backward();
  for (const int size : {2, 4}) {
    CAPTURE(size);
    std::vector<std::vector<torch::Tensor>> grads(static_cast<std::size_t>(size));
    std::vector<bool> idle(static_cast<std::size_t>(size));
    test::with_ranks(size, [&](const dist::Ranks& r) {
      auto net = make();
      torch::Tensor unused = torch::zeros({3}, f64).requires_grad_();
      auto parameters = net->parameters();
      parameters.push_back(unused);
      dist::GradientReducer reducer(r, parameters);
      for (int step = 0; step < 2; ++step) {  // the second time as the first
        net->zero_grad();
        for (int batch = 0; batch < 2; ++batch) {
          const torch::Tensor loss = net->forward(r.own_rows(inputs[batch])).square().mean();
          if (batch == 1) reducer.before_backward(loss);
          loss.backward();
        }
      }
      for (const auto& parameter : net->parameters()) grads[static_cast<std::size_t>(r.rank())].push_back(parameter.grad());
      idle[static_cast<std::size_t>(r.rank())] = !unused.grad().defined();
    });
    for (std::size_t r = 0; r < grads.size(); ++r) {
      CHECK(idle[r]);
      for (std::size_t i = 0; i < grads[r].size(); ++i) CHECK(grads[r][i].allclose(whole->parameters()[i].grad(), 0, 1e-9));
    }
  }
}
