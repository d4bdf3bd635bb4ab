// Oracles of InterCLR (arXiv 2008.11702) that concern its bank and the upkeep of its clusters.
#include "nn/cluster_bank.h"
#include "core/error.h"
#include "nn/losses.h"
#include "nn/state.h"
#include "unit/nn/formula.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight;
using formula::largest_difference;

namespace {

torch::Tensor ints(const std::vector<std::int64_t>& values) { return torch::tensor(values, torch::kInt64); }

/// 12 images in 3 clusters of 4, centroids near the three axes.
std::shared_ptr<nn::ClusterBank> three_axes(nn::ClusterBankOptions options = {}) {
  options.samples = 12;
  options.dim = 3;
  options.clusters = 3;
  options.smallest = std::min<std::int64_t>(options.smallest, 4);
  auto bank = std::make_shared<nn::ClusterBank>(options);
  const torch::Tensor labels = torch::arange(12) % 3;
  bank->start(torch::eye(3).index_select(0, labels), labels);
  return bank;
}

}  // namespace

TEST_CASE("cluster bank: starts with unit rows, plain means, and its counts") {
  torch::manual_seed(1);
  nn::ClusterBank bank({.samples = 60, .dim = 5, .clusters = 3, .smallest = 10});
  CHECK_FALSE(bank.started());
  const torch::Tensor x = 4 * torch::randn({60, 5}), labels = torch::arange(60) % 3;
  bank.start(x, labels);
  CHECK(bank.started());
  CHECK(largest_difference(bank.features(), nn::unit_rows(x)) < 1e-6);
  for (std::int64_t c = 0; c < 3; ++c) {
    const torch::Tensor mean = nn::unit_rows(x).slice(0, c, 60, 3).mean(0);
    CHECK(largest_difference(bank.centroids()[c], mean) < 1e-6);
    CHECK(mean.norm().item<double>() < 0.9);  // not brought back to length 1
  }
  CHECK(torch::equal(bank.sizes(), ints({20, 20, 20})));
}

TEST_CASE("cluster bank: new labels are the axis of the largest value; the others keep theirs; nothing before the commit") {
  auto bank = three_axes();
  torch::manual_seed(2);
  const torch::Tensor samples = ints({0, 4, 7, 11}), fresh = torch::randn({4, 3}), features = bank->features().clone(),
                      labels = bank->labels().clone();
  const torch::Tensor expected = fresh.argmax(1);
  const double changed = bank->stage(samples, fresh).item<double>();
  CHECK(changed == doctest::Approx(expected.ne(labels.index_select(0, samples)).to(torch::kFloat64).mean().item<double>()));
  CHECK(torch::equal(bank->features(), features));
  CHECK(torch::equal(bank->labels(), labels));
  bank->discard();
  bank->commit();
  CHECK(torch::equal(bank->labels(), labels));
  bank = three_axes({.smallest = 1});
  bank->stage(samples, fresh);
  bank->commit();
  CHECK(torch::equal(bank->labels().index_select(0, samples), expected));
  CHECK(largest_difference(bank->features().index_select(0, samples), nn::unit_rows(fresh)) < 1e-6);
  for (std::int64_t i = 0; i < 12; ++i) {
    if (samples.eq(i).any().item<bool>()) continue;
    CHECK(bank->labels()[i].item<std::int64_t>() == labels[i].item<std::int64_t>());
    CHECK(torch::equal(bank->features()[i], features[i]));
  }
}

TEST_CASE(
    "cluster bank: rate 1 overwrites, less of it averages, then length 1; of two rows for an image the last counts; labels can be kept") {
  const torch::Tensor fresh = torch::tensor({{0.0F, 2.0F, 0.0F}, {0.0F, 0.0F, 3.0F}});
  auto bank = three_axes({.rate = 0.25});
  bank->stage(ints({0, 0}), fresh, /*keep_labels=*/true);
  bank->commit();
  const torch::Tensor mixed = torch::tensor({0.75F, 0.0F, 0.25F});
  CHECK(largest_difference(bank->features()[0], mixed / mixed.norm()) < 1e-6);
  CHECK(bank->labels()[0].item<std::int64_t>() == 0);
}

TEST_CASE("cluster bank: centroids keep their place for as many commits as they should") {
  auto bank = three_axes({.smallest = 1, .centroid_every = 3});
  const torch::Tensor start = bank->centroids().clone();
  for (int commit = 1; commit <= 3; ++commit) {
    CHECK(bank->centroids_due() == (commit == 3));
    bank->stage(ints({0}), torch::tensor({{1.0F, 0.2F, 0.0F}}));
    bank->commit();
    CHECK(torch::equal(bank->centroids(), start) == (commit < 3));
  }
  CHECK(largest_difference(bank->centroids()[0], bank->features().slice(0, 0, 12, 3).mean(0)) < 1e-6);
  // The count goes with the checkpoint.
  auto other = three_axes({.smallest = 1, .centroid_every = 3});
  bank->stage(ints({0}), torch::tensor({{1.0F, 0.2F, 0.0F}}));
  bank->commit();
  nn::load_state(*other, nn::named_state(*bank));
  for (int commit = 0; commit < 2; ++commit)
    for (auto* one : {bank.get(), other.get()}) {
      one->stage(ints({3}), torch::tensor({{1.0F, 0.0F, 0.4F}}));
      one->commit();
    }
  CHECK(torch::equal(bank->centroids(), other->centroids()));
  CHECK_FALSE(torch::equal(bank->centroids(), start));
}

TEST_CASE("cluster bank: small clusters are dissolved, and each emptied label gets half of the largest") {
  torch::manual_seed(3);
  // 40 rows at the first axis in two clumps, 12 at the second, 5 at the third, none at the fourth.
  const std::vector<std::int64_t> counts = {40, 12, 5, 0};
  std::vector<torch::Tensor> rows;
  std::vector<std::int64_t> labels;
  for (std::size_t c = 0; c < counts.size(); ++c)
    for (std::int64_t i = 0; i < counts[c]; ++i) {
      torch::Tensor row = 0.02 * torch::randn({5});
      row[static_cast<std::int64_t>(c)] += 1;
      if (c == 0) row[4] += i % 2 == 0 ? 0.4 : -0.4;
      if (c == 2) row[1] += 0.5;  // of the large clusters the second is nearest
      rows.push_back(row);
      labels.push_back(static_cast<std::int64_t>(c));
    }
  nn::ClusterBank bank({.samples = 57, .dim = 5, .clusters = 4, .smallest = 6});
  bank.start(torch::stack(rows), ints(labels));
  const torch::Tensor before = bank.labels().clone(), features = bank.features().clone(), centroids = bank.centroids().clone();
  bank.dissolve_small();
  const torch::Tensor after = bank.labels();
  CHECK(bank.sizes().sum().item<std::int64_t>() == 57);
  CHECK(bank.sizes().min().item<std::int64_t>() >= 6);
  CHECK(torch::equal(bank.features(), features));
  for (std::int64_t i = 0; i < 57; ++i) {
    const auto was = before[i].item<std::int64_t>(), is = after[i].item<std::int64_t>();
    if (was == 1) CHECK(is == 1);  // neither dissolved nor split ...
    if (was == 2) CHECK(is == 1);  // ... but joined
    if (was == 0) CHECK((is == 0 || is == 2 || is == 3));
  }
  // The first split is between the clumps; the second takes half of one.
  CHECK(after[0].item<std::int64_t>() != after[1].item<std::int64_t>());
  for (const std::int64_t c : {0, 2, 3}) {
    const torch::Tensor members = after.eq(c).nonzero().squeeze(1);
    CHECK(largest_difference(bank.centroids()[c], features.index_select(0, members).mean(0)) < 1e-6);
  }
  CHECK(torch::equal(bank.centroids()[1], centroids[1]));  // waits for its turn

  // 2-means cannot part rows that are all the same: any halves.
  nn::ClusterBank same({.samples = 20, .dim = 2, .clusters = 2, .smallest = 5});
  same.start(torch::ones({20, 2}), torch::zeros({20}, torch::kInt64));
  same.dissolve_small();
  CHECK(torch::equal(same.sizes(), ints({10, 10})));
}

TEST_CASE("cluster bank: members are drawn from the cluster asked for, each as often as any other") {
  auto bank = three_axes();
  torch::manual_seed(4);
  const torch::Tensor labels = ints({2}).expand({4000}), drawn = bank->draw_members(labels);
  CHECK(bank->labels().index_select(0, drawn).eq(2).all().item<bool>());
  const torch::Tensor counts = drawn.bincount({}, 12).slice(0, 2, 12, 3);
  CHECK(counts.min().item<std::int64_t>() > 900);  // of 1000 each; standard deviation 27
  CHECK(torch::equal(bank->labels().index_select(0, bank->draw_members(bank->labels())), bank->labels()));
}

TEST_CASE("cluster bank: too few images for the clusters; purity") {
  const std::string message = [&] {
    try {
      nn::ClusterBank bank({.samples = 100, .dim = 2, .clusters = 6, .smallest = 20});
    } catch (const core::Error& error) {
      CHECK(static_cast<int>(error.exit()) == static_cast<int>(core::Exit::usage));
      return std::string(error.what());
    }
    return std::string();
  }();
  CHECK(message.find("120") != std::string::npos);
  CHECK(nn::purity(ints({0, 0, 0, 1, 1, 2}), ints({5, 5, 1, 2, 2, -1})) == doctest::Approx(0.8));
  CHECK(std::isnan(nn::purity(ints({0, 1}), ints({-1, -1}))));
}
