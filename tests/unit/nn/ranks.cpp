// What several ranks compute on parts of a batch is what one process computes on the whole of it: values and gradients, in float64.
#include "nn/batch_norm.h"
#include "nn/cluster_bank.h"
#include "nn/encoder.h"
#include "nn/losses.h"
#include "nn/queue.h"
#include "nn/sinkhorn.h"
#include "nn/vit.h"
#include "nn/vocabulary.h"

#include "unit/ranks.h"
#include "unit/support.h"

using namespace selfsight;

namespace {

const auto f64 = torch::TensorOptions().dtype(torch::kFloat64);

double difference(const torch::Tensor& a, const torch::Tensor& b) { return (a - b).abs().max().item<double>(); }

/// A loss of tensors of rows: its value and the gradient to each of them, of one process and of `size` ranks, must agree.
using Loss = std::function<torch::Tensor(const std::vector<torch::Tensor>& rows, const dist::Ranks& ranks)>;
void check_loss(const std::vector<torch::Tensor>& whole, const Loss& loss) {
  std::vector<torch::Tensor> leaves;
  for (const auto& rows : whole) leaves.push_back(rows.clone().requires_grad_());
  const torch::Tensor value = loss(leaves, {});
  value.backward();
  for (const int size : {2, 4}) {
    CAPTURE(size);
    std::vector<std::vector<torch::Tensor>> grads(whole.size(), std::vector<torch::Tensor>(static_cast<std::size_t>(size)));
    const auto values = test::of_ranks(size, [&](const dist::Ranks& r) {
      std::vector<torch::Tensor> own;
      for (const auto& rows : whole) own.push_back(r.own_rows(rows).clone().requires_grad_());
      const torch::Tensor of_rank = loss(own, r);
      of_rank.backward();
      for (std::size_t i = 0; i < own.size(); ++i) grads[i][static_cast<std::size_t>(r.rank())] = own[i].grad();
      return of_rank.detach();
    });
    CHECK(difference(torch::stack(values).mean(), value) < 1e-12);
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(difference(torch::cat(grads[i]) / size, leaves[i].grad()) < 1e-12);
  }
}

}  // namespace

TEST_CASE("several ranks: NT-Xent") {
  torch::manual_seed(1);
  check_loss({torch::randn({8, 5}, f64), torch::randn({8, 5}, f64)},
             [](const auto& rows, const auto& ranks) { return nn::nt_xent(rows[0], rows[1], 0.3, ranks); });
}

TEST_CASE("several ranks: the losses that look at one row at a time need nothing") {
  torch::manual_seed(2);
  const torch::Tensor bank = nn::unit_rows(torch::randn({7, 5}, f64));
  check_loss({torch::randn({8, 5}, f64), torch::randn({8, 5}, f64)}, [&](const auto& rows, const auto&) {
    return nn::info_nce(nn::unit_rows(rows[0]), nn::unit_rows(rows[1]), bank, 0.2) + nn::cosine_loss(rows[0], rows[1]) +
           nn::soft_cross_entropy(torch::softmax(rows[0].detach(), 1), rows[1]);
  });
}

TEST_CASE("several ranks: batch normalisation is that of the whole batch, its running statistics and gradients too") {
  torch::manual_seed(3);
  for (const auto& shape : {std::vector<std::int64_t>{8, 3}, std::vector<std::int64_t>{8, 3, 4, 5}})
    for (const bool affine : {true, false})
      for (const bool channels_last : {false, true}) {
        if (channels_last && shape.size() != 4) continue;
        CAPTURE(shape.size());
        CAPTURE(affine);
        CAPTURE(channels_last);
        torch::Tensor x = torch::randn(shape, f64) * 3 + 100;  // far from zero: a mean of squares would lose digits
        if (channels_last) x = x.contiguous(torch::MemoryFormat::ChannelsLast);
        const torch::Tensor weights = torch::randn(shape, f64);
        const auto make = [&] {
          nn::BatchNorm norm(nn::BatchNormOptions{.channels = 3, .affine = affine});
          norm->to(torch::kFloat64);
          const torch::NoGradGuard no_grad;
          if (affine) norm->weight.copy_(torch::tensor({0.5, -1.0, 2.0}, f64));
          return norm;
        };
        auto whole_norm = make();
        const torch::Tensor whole = x.clone().requires_grad_(), y = whole_norm(whole);
        (y * weights).square().mean().backward();
        for (const int size : {2, 4}) {
          CAPTURE(size);
          std::vector<torch::Tensor> outputs(static_cast<std::size_t>(size)), grads(outputs), gains(outputs), biases(outputs),
              means(outputs), vars(outputs);
          test::with_ranks(size, [&](const dist::Ranks& r) {
            const auto at = static_cast<std::size_t>(r.rank());
            auto norm = make();
            dist::join_all(*norm, r);
            const torch::Tensor own = r.own_rows(x).clone().requires_grad_();
            outputs[at] = norm(own);
            (outputs[at] * r.own_rows(weights)).square().mean().backward();
            grads[at] = own.grad();
            if (affine) gains[at] = norm->weight.grad(), biases[at] = norm->bias.grad();
            means[at] = norm->running_mean, vars[at] = norm->running_var;
          });
          CHECK(difference(torch::cat(outputs), y) < 1e-9);
          CHECK(difference(torch::cat(grads) / size, whole.grad()) < 1e-9);
          if (affine) {
            CHECK(difference(torch::stack(gains).mean(0), whole_norm->weight.grad()) < 1e-9);
            CHECK(difference(torch::stack(biases).mean(0), whole_norm->bias.grad()) < 1e-9);
          }
          for (const auto& mean : means) CHECK(difference(mean, whole_norm->running_mean) < 1e-12);
          for (const auto& var : vars) CHECK(difference(var, whole_norm->running_var) < 1e-12);
        }
      }
}

TEST_CASE("several ranks: local batch normalisation stays within a rank, and its running statistics become one") {
  torch::manual_seed(4);
  const torch::Tensor x = torch::randn({8, 3}, f64);
  std::vector<torch::Tensor> outputs(2), means(2);
  test::with_ranks(2, [&](const dist::Ranks& r) {
    nn::BatchNorm norm(3);
    torch::nn::Sequential net(norm);
    net->to(torch::kFloat64);
    nn::keep_norms_local(*net);
    dist::join_all(*net, r);
    outputs[static_cast<std::size_t>(r.rank())] = net->forward(r.own_rows(x)).detach();
    nn::average_local_norms(*net, r);
    means[static_cast<std::size_t>(r.rank())] = norm->running_mean;
  });
  for (int r = 0; r < 2; ++r) {
    const torch::Tensor own = x.narrow(0, 4 * r, 4);
    CHECK(difference(outputs[static_cast<std::size_t>(r)], (own - own.mean(0)) / (own.var(0, false) + 1e-5).sqrt()) < 1e-12);
    CHECK(difference(means[static_cast<std::size_t>(r)], 0.1 * x.mean(0)) < 1e-12);
  }
}

TEST_CASE("several ranks: Sinkhorn over the samples of all, also when their numbers differ") {
  torch::manual_seed(5);
  const torch::Tensor scores = torch::randn({10, 6}, f64);
  for (const int size : {2, 4}) {
    const auto parts = test::of_ranks(size, [&](const dist::Ranks& r) {
      const auto [begin, end] = r.own_part(10);
      return nn::sinkhorn(scores.slice(0, begin, end), 0.05, 3, r);
    });
    CHECK(difference(torch::cat(parts), nn::sinkhorn(scores, 0.05, 3)) < 1e-12);
  }
}

TEST_CASE("several ranks: queues, vocabularies and banks take in the rows of all and stay alike") {
  const torch::Tensor rows = torch::randn({8, 5}), maps = torch::randn({8, 5, 4, 4}, f64).abs();
  nn::Queue whole(torch::zeros({12, 5}));
  whole.push(rows);
  const auto queues = test::of_ranks(4, [&](const dist::Ranks& r) {
    nn::Queue queue(torch::zeros({12, 5}));
    dist::join_all(queue, r);
    queue.stage(r.own_rows(rows));
    queue.commit();
    return queue.rows();
  });
  for (const auto& queue : queues) CHECK(queue.equal(whole.rows()));

  const torch::Tensor words = torch::randn({9, 5}).abs();
  const auto bags_by = [&](const dist::Ranks& r, double& distance) {
    nn::Vocabulary vocabulary({.words = 9, .dim = 5});
    vocabulary.named_buffers(true)["ring.rows"].copy_(words);
    dist::join_all(vocabulary, r);
    const torch::Tensor bags = vocabulary.bags(r.own_rows(maps));
    vocabulary.commit();
    distance = vocabulary.mean_distance();
    return bags;
  };
  double distance = 0;
  const torch::Tensor bags = bags_by({}, distance);
  std::vector<double> distances(2);
  const auto parts = test::of_ranks(2, [&](const dist::Ranks& r) { return bags_by(r, distances[static_cast<std::size_t>(r.rank())]); });
  CHECK(difference(torch::cat(parts), bags) < 1e-9);
  for (const double of_rank : distances) CHECK(of_rank == doctest::Approx(distance).epsilon(1e-9));

  const torch::Tensor labels = torch::arange(20) % 4, features = torch::randn({20, 5}), samples = torch::tensor({3, 7, 1, 15, 9, 2, 19, 0});
  const auto bank_by = [&](const dist::Ranks& r) {
    nn::ClusterBank bank({.samples = 20, .dim = 5, .clusters = 4, .rate = 0.5, .smallest = 1});
    dist::join_all(bank, r);
    bank.start(features, labels);
    bank.stage(r.own_rows(samples), r.own_rows(rows));
    bank.commit();
    return torch::cat({bank.features(), bank.labels().to(torch::kFloat32).unsqueeze(1)}, 1);
  };
  const torch::Tensor bank = bank_by({});
  for (const auto& of_rank : test::of_ranks(4, bank_by)) CHECK(difference(of_rank, bank) < 1e-6);
}

TEST_CASE("several ranks: groups are shared out, or say why not") {
  const auto ranks_of = [](int size) {
    dist::Ranks out;
    test::with_ranks(size, [&](const dist::Ranks& r) {
      if (r.first()) out = r;
    });
    return out;
  };
  const auto two = ranks_of(2);
  nn::check_groups(4, 16, two, "--groups");
  nn::check_groups(1, 16, two, "--groups");
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { nn::check_groups(3, 12, two, "--groups"); }), "--groups 3: 2 ranks cannot"));
  CHECK(test::contains(test::error_of(core::Exit::usage, [&] { nn::check_groups(3, 16, {}, "--groups"); }), "must divide the batch of 16"));
}

namespace {

/// Subtracts the mean of what goes through together: as batch normalisation it tells who was in a group.
struct Centred {
  torch::Tensor forward(const torch::Tensor& x) const { return x - x.mean(0); }
};

}  // namespace

TEST_CASE("several ranks: shuffled groups are dealt from all rows, and come back in their order") {
  const torch::Tensor x = torch::randn({16, 3}, f64);
  Centred encoder;
  const torch::Tensor order = torch::randperm(16, torch::TensorOptions().dtype(torch::kInt64));
  const torch::Tensor whole = nn::forward_in_dealt_groups(encoder, x, order, 4, {});
  CHECK(difference(whole[order[0]], x[order[0]] - x.index_select(0, order.slice(0, 0, 4)).mean(0)) < 1e-12);
  for (const int size : {2, 4}) {
    const auto parts =
        test::of_ranks(size, [&](const dist::Ranks& r) { return nn::forward_in_dealt_groups(encoder, r.own_rows(x), order, 4, r); });
    CHECK(torch::cat(parts).equal(whole));
  }
}
