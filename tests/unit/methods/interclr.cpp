// Oracles of InterCLR (arXiv 2008.11702) that concern the method as a whole; its bank is tested in nn.
#include "methods/interclr.h"
#include "unit/methods/runs.h"

#include "nn/losses.h"

#include <cmath>
#include <limits>
#include <set>

using namespace selfsight;
using test::Built;

namespace {

const nlohmann::json moco = {{"queue", 24}, {"dim", 16}, {"shuffle-groups", 2}, {"ema", 0.9}, {"temperature", 0.2}};

nlohmann::json with(const nlohmann::json& more = nlohmann::json::object()) {
  core::set_log_level(core::Level::error);
  nlohmann::json options = moco;
  options.update({{"clusters", 4}, {"cluster-min", 5}, {"negative-pool", 40}, {"negatives", 12}});
  options.update(more);
  return options;
}

train::Outcome step(Built& built, std::int64_t seed = 1) {
  train::Views views;
  views.x = {Built::images(seed), Built::images(seed + 1)};
  views.samples = torch::arange(8) * 3;
  torch::manual_seed(99);
  return built.method->step(views, built.progress);
}

std::map<std::string, torch::Tensor> gradients(Built& built) {
  std::map<std::string, torch::Tensor> out;
  for (const auto& item : built.method->named_parameters())
    if (item.value().grad().defined()) out.emplace(item.key(), item.value().grad());
  return out;
}

torch::Tensor row(const std::vector<double>& values) { return torch::tensor(values, torch::kFloat64).unsqueeze(0); }

}  // namespace

TEST_CASE("interclr: without its second branch it is MoCo v2, loss and gradients to the last bit") {
  Built plain("moco", moco), inter("interclr", with({{"inter-weight", 0.0}, {"intra-weight", 1.0}}));
  inter.before_epoch();
  for (int i = 0; i < 2; ++i) {
    const auto a = step(plain, 1 + 2 * i), b = step(inter, 1 + 2 * i);
    CHECK(a.loss.item<double>() == b.loss.item<double>());
    CHECK(a.uniform_loss == b.uniform_loss);
    plain.method->zero_grad();
    inter.method->zero_grad();
    a.loss.backward();
    b.loss.backward();
    const auto one = gradients(plain), other = gradients(inter);
    REQUIRE(one.size() == other.size());
    for (const auto& [name, gradient] : one) CHECK(torch::equal(gradient, other.at(name)));
    plain.method->after_update(plain.progress);
    inter.method->after_update(inter.progress);
    CHECK(torch::equal(plain.state("queue.rows"), inter.state("queue.rows")));
  }
}

TEST_CASE("interclr: the closed form of the loss, and its margin's sign") {
  const torch::Tensor q = row({1, 0, 0}).requires_grad_(), p = row({0.3, std::sqrt(1 - 0.09), 0});
  const torch::Tensor n = row({0, 0, 1}).unsqueeze(1).expand({1, 16384, 3}), all = torch::ones({1, 16384}, torch::kBool);
  const torch::Tensor loosened = methods::inter_loss(q, p, n, all, 0.2, -0.5);
  CHECK(loosened.item<double>() == doctest::Approx(5.707387).epsilon(1e-7));
  CHECK(methods::inter_loss(q, p, n, all, 0.2, 0.0).item<double>() == doctest::Approx(8.204334).epsilon(1e-7));
  // The margin does not cut the gradient off: d/dq = (1/tau) ((a - 1) p + (1 - a) n), a = softmax of the positive.
  loosened.backward();
  const double a = std::exp(-5.707387);
  CHECK(torch::allclose(q.grad(), ((a - 1) * p + (1 - a) * row({0, 0, 1})) / 0.2, 0, 1e-6));
  // What is not allowed does not count; without any negative nothing is left to tell apart.
  torch::Tensor half = all.clone();
  half.slice(1, 0, 8192).fill_(false);
  CHECK(methods::inter_loss(q, p, n, half, 0.2, -0.5).item<double>() ==
        doctest::Approx(std::log1p(8192 * std::exp(-0.8 / 0.2))).epsilon(1e-9));
  CHECK(methods::inter_loss(q, p, n, torch::zeros_like(all), 0.2, -0.5).item<double>() == 0);
}

TEST_CASE("interclr: the angular margin is cos(theta + m), a line beyond 0 and pi, with finite slopes") {
  const torch::Tensor n = row({0, 0, 1}).unsqueeze(1), all = torch::ones({1, 1}, torch::kBool);
  const auto positive = [&](double theta, double margin) {
    const double loss =
        methods::inter_loss(row({1, 0, 0}), row({std::cos(theta), std::sin(theta), 0}), n, all, 0.2, 0.0, margin).item<double>();
    return -0.2 * std::log(std::expm1(loss));  // the logit of the positive, as that of the negative is 0
  };
  for (const double theta : {0.6, 1.0, 2.0, 2.5})
    for (const double margin : {-0.5, 0.5}) {
      CAPTURE(theta);
      CAPTURE(margin);
      CHECK(positive(theta, margin) == doctest::Approx(std::cos(theta + margin)).epsilon(1e-7));
    }
  // The released code's values: cos(0.2) + sin(-0.5) x -0.5, and cos(3.0) - sin(pi - 0.5) x 0.5.
  CHECK(positive(0.2, -0.5) == doctest::Approx(std::cos(0.2) + 0.5 * std::sin(0.5)).epsilon(1e-7));
  CHECK(positive(3.0, 0.5) == doctest::Approx(std::cos(3.0) - 0.5 * std::sin(0.5)).epsilon(1e-6));
  const torch::Tensor q = row({1, 0, 0}).requires_grad_();
  methods::inter_loss(q, row({1, 0, 0}), n, all, 0.2, 0.0, 0.5).backward();
  CHECK(q.grad().isfinite().all().item<bool>());
}

TEST_CASE("interclr: negatives have other labels and come from where they should") {
  torch::manual_seed(5);
  const std::int64_t images = 300, pool = 60, count = 25;
  const torch::Tensor bank = nn::unit_rows(torch::randn({images, 8})), labels = torch::randint(0, 4, {images}, torch::kInt64);
  const torch::Tensor q = nn::unit_rows(torch::randn({6, 8})), y = torch::randint(0, 4, {6}, torch::kInt64);
  const torch::Tensor order = torch::matmul(q, bank.t()).argsort(1, /*descending=*/true);
  for (const std::string strategy : {"semi-hard", "hard", "semi-easy", "random"}) {
    CAPTURE(strategy);
    const auto [index, allowed] = methods::draw_negatives(q, y, bank, labels, strategy, pool, count);
    CHECK(allowed.all().item<bool>());
    CHECK(index.sizes() == torch::IntArrayRef({6, count}));
    std::set<std::int64_t> ranks;
    for (std::int64_t i = 0; i < 6; ++i) {
      const auto* of_rank = order[i].data_ptr<std::int64_t>();
      std::vector<std::int64_t> filtered;
      for (std::int64_t r = 0; r < images; ++r)
        if (labels[of_rank[r]].item<std::int64_t>() != y[i].item<std::int64_t>()) filtered.push_back(of_rank[r]);
      for (std::int64_t j = 0; j < count; ++j) {
        const auto image = index[i][j].item<std::int64_t>();
        CHECK(labels[image].item<std::int64_t>() != y[i].item<std::int64_t>());
        const std::int64_t rank = std::find(of_rank, of_rank + images, image) - of_rank;
        if (strategy == "semi-hard") CHECK(rank < pool);
        if (strategy == "semi-easy") CHECK(rank >= images - pool);
        if (strategy == "hard") CHECK(image == filtered[static_cast<std::size_t>(j)]);
        ranks.insert(rank);
      }
    }
    if (strategy == "random") CHECK(ranks.size() > 100);  // from anywhere
    if (strategy == "semi-hard") CHECK(ranks.size() > 40);
  }
}

TEST_CASE("interclr: a pool of the query's own label alone ends the drawing, and nothing of it is allowed") {
  torch::manual_seed(6);
  const torch::Tensor bank = nn::unit_rows(torch::randn({50, 4})), q = bank.slice(0, 0, 2);
  for (const std::string strategy : {"semi-hard", "hard", "semi-easy", "random"}) {
    CAPTURE(strategy);
    const auto none =
        methods::draw_negatives(q, torch::zeros({2}, torch::kInt64), bank, torch::zeros({50}, torch::kInt64), strategy, 10, 5);
    CHECK_FALSE(none.allowed.any().item<bool>());
  }
  // One other image: the hard ones are that one, and four that do not count.
  torch::Tensor labels = torch::zeros({50}, torch::kInt64);
  labels[31] = 1;
  const auto one = methods::draw_negatives(q, torch::zeros({2}, torch::kInt64), bank, labels, "hard", 10, 5);
  CHECK(one.index.select(1, 0).eq(31).all().item<bool>());
  CHECK(one.allowed.sum().item<std::int64_t>() == 2);
}

TEST_CASE("interclr: gradients reach the query encoder from each branch; bank, queue and key encoder get none") {
  for (const auto& [intra, inter] : {std::pair{1.0, 0.0}, std::pair{0.0, 1.0}})
    for (const bool separate : {false, true}) {
      CAPTURE(inter);
      CAPTURE(separate);
      Built built("interclr", with({{"intra-weight", intra}, {"inter-weight", inter}, {"separate-heads", separate}}));
      built.before_epoch();
      step(built).loss.backward();
      for (const auto& item : built.method->named_parameters()) {
        CAPTURE(item.key());
        const bool trunk = item.key().starts_with("query.backbone."), own = item.key().starts_with("query_head."),
                   head = item.key().starts_with("query.head.");
        const auto largest = item.value().grad().defined() ? item.value().grad().abs().max().item<double>() : 0.0;
        const bool reached = trunk || (separate ? (inter > 0 ? own : head) : head);
        if (item.value().dim() > 1) CHECK((largest > 0) == reached);
        if (!reached) CHECK(largest == 0);
      }
      for (const std::string name : {"bank.features", "bank.centroids", "queue.rows"}) CHECK_FALSE(built.state(name).requires_grad());
    }
}

TEST_CASE("interclr: heads of its own do not change the branch within images") {
  Built shared("interclr", with()), own("interclr", with({{"separate-heads", true}}));
  shared.before_epoch();
  own.before_epoch();
  const auto a = step(shared), b = step(own);
  CHECK(a.scalars.at("intra_loss").item<double>() == doctest::Approx(b.scalars.at("intra_loss").item<double>()).epsilon(1e-5));
  CHECK(a.scalars.at("inter_loss").item<double>() != doctest::Approx(b.scalars.at("inter_loss").item<double>()).epsilon(1e-5));
  const torch::NoGradGuard no_grad;
  own.state("query_head.0.weight").add_(1.0);
  const torch::Tensor before = own.state("key_head.0.weight").clone();
  own.method->after_update(own.progress);
  CHECK(torch::allclose(own.state("key_head.0.weight"), before + 0.1, 1e-4, 1e-6));
}

TEST_CASE("interclr: the bank gets the keys of the batch's images after the update, or none at all") {
  Built built("interclr", with({{"centroid-every", 1}}));
  built.before_epoch();
  const torch::Tensor before = built.state("bank.features").clone();
  CHECK(torch::allclose(before.norm(2, 1), torch::ones({80}), 0, 1e-5));
  const auto out = step(built);
  CHECK(torch::equal(built.state("bank.features"), before));
  built.method->after_skip(built.progress);
  built.method->after_update(built.progress);
  CHECK(torch::equal(built.state("bank.features"), before));
  CHECK(out.scalars.at("smallest_cluster").item<double>() >= 1);
  CHECK(out.scalars.at("label_purity").item<double>() >= 0.1);
  CHECK(out.scalars.at("label_purity").item<double>() <= 1);
  step(built);
  built.method->after_update(built.progress);
  const torch::Tensor queue = built.state("queue.rows").slice(0, 0, 8);
  CHECK(torch::allclose(built.state("bank.features").index_select(0, torch::arange(8) * 3), queue, 0, 1e-6));
  CHECK(built.state("bank.features").ne(before).any(1).sum().item<std::int64_t>() == 8);
}

TEST_CASE("interclr: labels by epoch are those of k-means, and no step changes them") {
  Built built("interclr", with({{"pseudo-labels", "epoch"}}));
  built.before_epoch();
  const torch::Tensor first = built.state("bank.labels").clone(), features = built.state("bank.features").clone();
  step(built);
  built.method->after_update(built.progress);
  CHECK(torch::equal(built.state("bank.labels"), first));
  CHECK_FALSE(torch::equal(built.state("bank.features"), features));
  const torch::Tensor kept = built.state("bank.features").clone();
  built.before_epoch(/*seed=*/8);
  CHECK_FALSE(torch::equal(built.state("bank.labels"), first));
  CHECK(torch::equal(built.state("bank.features"), kept));
  // Online labels start once.
  Built online("interclr", with());
  online.before_epoch();
  const torch::Tensor started = online.state("bank.labels").clone();
  online.before_epoch(8);
  CHECK(torch::equal(online.state("bank.labels"), started));
}

TEST_CASE("interclr: what does not fit the data is refused before the first step, with the options' names") {
  const auto message = [](const nlohmann::json& options) {
    return test::error_of(core::Exit::usage, [&] { Built built("interclr", with(options)); });
  };
  CHECK(test::contains(message({{"clusters", 20}}), "--clusters 20"));
  CHECK(test::contains(message({{"queue", 81}}), "--queue 81"));
  CHECK(test::contains(message({{"negative-pool", 81}}), "--negative-pool 81"));
  CHECK(test::contains(message({{"negatives", 41}}), "--negatives 41"));
  CHECK(test::contains(message({{"negative-sampling", "hard"}, {"negatives", 81}}), "--negatives 81"));
  Built built("interclr", with());  // what a modifier asks before it brings pairs of its own
  CHECK_FALSE(dynamic_cast<train::PairMethod&>(*built.method).compares_any_pair());
}

TEST_CASE("interclr: counts left to it follow the number of images") {
  Built built("interclr",
              with({{"clusters", 0}, {"cluster-min", 20}, {"negative-pool", 0}, {"negatives", 0}}));  // 80 images: 2 clusters, 1 of 8
  built.before_epoch();
  CHECK(built.state("bank.centroids").size(0) == 2);
  const auto out = step(built);
  CHECK(out.uniform_loss == doctest::Approx(0.75 * std::log(25.0) + 0.25 * std::log1p(std::exp(-2.5))));
}
