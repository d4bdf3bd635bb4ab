// Tables of mates: planted clusters, duplicates, draws.
#include "train/mates.h"
#include "unit/ranks.h"
#include "unit/support.h"

#include <cmath>
#include <set>

using namespace selfsight;

TEST_CASE("mates come from the same planted cluster, and a sample is never its own") {
  torch::manual_seed(0);
  const std::int64_t clusters = 6, each = 8;
  const torch::Tensor labels = torch::arange(clusters).repeat_interleave(each);
  const torch::Tensor features = torch::eye(clusters).index_select(0, labels) * 10 + 0.1 * torch::rand({clusters * each, clusters});
  train::Mates mates(clusters * each, 5);
  mates.find(features);
  CHECK(mates.purity(labels) == 1.0);
  CHECK(mates.table().ne(torch::arange(clusters * each).unsqueeze(1)).all().item<bool>());
  CHECK(std::isnan(mates.purity(torch::full({clusters * each}, -1, torch::kInt64))));
}

TEST_CASE("several ranks find the mates that one finds") {
  torch::manual_seed(1);
  const torch::Tensor features = torch::randn({37, 6}), whole = train::nearest_others(features, 4);
  for (const int size : {2, 4})
    for (const auto& table : test::of_ranks(size, [&](const dist::Ranks& ranks) { return train::nearest_others(features, 4, ranks); }))
      CHECK(torch::equal(table, whole));
  const torch::Tensor few = features.slice(0, 0, 3);  // fewer than ranks
  for (const auto& table : test::of_ranks(4, [&](const dist::Ranks& ranks) { return train::nearest_others(few, 2, ranks); }))
    CHECK(torch::equal(table, train::nearest_others(few, 2)));
}

TEST_CASE("mates of a label: all of its others before one of them again, never the row itself") {
  const torch::Tensor labels = torch::tensor({0, 1, 0, 0, 2, 0, 1, 0}), table = train::others_of_label(labels, 4, 1);
  for (std::int64_t row = 0; row < labels.size(0); ++row) {
    CAPTURE(row);
    CHECK(table[row].ne(row).all().item<bool>());
    if (row == 4) {
      CHECK(table[row].eq(-1).all().item<bool>());
      continue;
    }
    CHECK(labels.index_select(0, table[row]).eq(labels[row]).all().item<bool>());
    CHECK(std::get<0>(torch::_unique(table[row])).numel() == (labels[row].item<std::int64_t>() == 0 ? 4 : 1));
  }
  CHECK(torch::equal(table, train::others_of_label(labels, 4, 1)));
  CHECK_FALSE(torch::equal(table, train::others_of_label(labels, 4, 2)));
  const torch::Tensor many = train::others_of_label(torch::zeros({60}, torch::kInt64), 5, 3);  // few of many
  for (std::int64_t row = 0; row < 60; ++row) {
    CHECK(many[row].ne(row).all().item<bool>());
    CHECK(std::get<0>(torch::_unique(many[row])).numel() == 5);
  }
  CHECK(std::get<0>(torch::_unique(many)).numel() > 50);  // of all of them
  train::Mates mates(8, 2);
  const torch::Tensor features = torch::eye(8);
  features[4] += 2 * features[0] + 0.5 * features[2];
  mates.of_label(labels, features, 1);
  CHECK(torch::equal(mates.table()[4], torch::tensor({0, 2})));  // the lonely row has its nearest
  CHECK(labels.index_select(0, mates.table().flatten()).view({8, 2}).eq(labels.unsqueeze(1)).sum().item<std::int64_t>() == 14);
  CHECK_THROWS_AS(train::others_of_label(labels, 0, 1), core::Error);
}

TEST_CASE("a sample is left out by its number, with as many duplicates as you like") {
  const torch::Tensor features = torch::cat({torch::ones({9, 3}), torch::eye(3)});
  const torch::Tensor table = train::nearest_others(features, 4);
  for (std::int64_t row = 0; row < table.size(0); ++row) {
    CHECK(table[row].ne(row).all().item<bool>());
    CHECK(std::get<0>(torch::_unique(table[row])).numel() == 4);
    if (row < 9) CHECK(table[row].lt(9).all().item<bool>());
  }
}

TEST_CASE("draws come from a sample's own row, and all of it is drawn") {
  train::Mates mates(40, 3);
  mates.find(torch::randn({40, 6}));
  std::vector<std::set<std::int64_t>> drawn(40);
  for (std::int64_t epoch = 0; epoch < 60; ++epoch) {
    auto plan = data::shuffled_plan(40, 8, 1, epoch, true);
    mates.draw(plan, 1, epoch);
    for (const auto& batch : plan)
      for (const auto& draw : batch) drawn[static_cast<std::size_t>(draw.sample)].insert(draw.mate);
  }
  for (std::int64_t i = 0; i < 40; ++i) {
    const auto row = mates.table()[i].contiguous();
    CHECK(drawn[static_cast<std::size_t>(i)] == std::set<std::int64_t>(row.data_ptr<std::int64_t>(), row.data_ptr<std::int64_t>() + 3));
  }
}

TEST_CASE("too few samples for the mates wanted is a usage error") {
  CHECK_THROWS_AS(train::Mates(5, 5), core::Error);
  CHECK_THROWS_AS(train::nearest_others(torch::randn({3, 2}), 3), core::Error);
}
