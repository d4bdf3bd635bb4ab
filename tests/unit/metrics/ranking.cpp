#include "metrics/ranking.h"

#include "core/rng.h"
#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>

using namespace selfsight;
using metrics::Sighting;

namespace {

const nlohmann::json& fixtures() {
  static const auto json = nlohmann::json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/ranking.json"));
  return json;
}

std::vector<Sighting> sightings(const nlohmann::json& identity, const nlohmann::json& camera) {
  std::vector<Sighting> out;
  for (std::size_t i = 0; i < identity.size(); ++i) out.push_back({identity[i].get<std::int64_t>(), camera[i].get<std::int64_t>()});
  return out;
}

struct Scored {
  std::vector<metrics::Ranked> ranked;
  std::vector<std::vector<std::int64_t>> single;
};

Scored score(const std::vector<float>& q, const std::vector<float>& g, std::int64_t dim, metrics::Distance distance,
             const std::vector<Sighting>& queries, const metrics::Gallery& gallery, const metrics::SingleShot& single, int threads = 1) {
  const metrics::Rows a{q, static_cast<std::int64_t>(q.size()) / dim, dim}, b{g, static_cast<std::int64_t>(g.size()) / dim, dim};
  Scored out{std::vector<metrics::Ranked>(queries.size()), std::vector<std::vector<std::int64_t>>(queries.size())};
  metrics::for_each_row(metrics::ExactDistance(a, b, distance, threads), {threads}, [&](metrics::DistanceRow& row) {
    const auto at = static_cast<std::size_t>(row.query);
    out.single[at] = metrics::single_shot_ranks(row, queries[at], gallery, single);
    out.ranked[at] = metrics::rank_query(row, queries[at], gallery);
  });
  return out;
}

/// A row of given distances that float32 cannot tell apart: only the exact values count.
struct Given {
  std::vector<double> values;
  std::vector<float> approximate;
  explicit Given(std::vector<double> v, float blur = 0) : values(std::move(v)) {
    for (std::size_t i = 0; i < values.size(); ++i) approximate.push_back(static_cast<float>(values[i]) + (i % 2 == 0 ? blur : -blur));
  }
  metrics::DistanceRow row(double margin) {
    return {0, approximate, margin, [this](std::int64_t g) { return values[static_cast<std::size_t>(g)]; }};
  }
};

}  // namespace

TEST_CASE("CMC, mAP, trapezoid mAP and mINP are those of torchreid, scikit-learn and the definitions") {
  for (const auto& one : fixtures()["cases"]) {
    const auto queries = sightings(one["query_identity"], one["query_camera"]);
    const metrics::Gallery gallery(sightings(one["gallery_identity"], one["gallery_camera"]), {});
    const auto distance = one["metric"] == "cosine" ? metrics::Distance::cosine : metrics::Distance::euclidean;
    const auto got = score(one["query"], one["gallery"], one["dim"], distance, queries, gallery, {.repeats = 4000, .seed = 1});
    const auto figures = metrics::ranking_figures(got.ranked, 10);
    CHECK(figures.queries == one["valid"].get<std::int64_t>());
    CHECK(figures.queries + figures.without_match == static_cast<std::int64_t>(queries.size()));
    CHECK(figures.mean_ap == doctest::Approx(one["map"].get<double>()).epsilon(1e-12));
    CHECK(figures.mean_trapezoid_ap == doctest::Approx(one["trapezoid_map"].get<double>()).epsilon(1e-12));
    CHECK(figures.mean_inp == doctest::Approx(one["minp"].get<double>()).epsilon(1e-12));
    const auto single = metrics::single_shot_cmc(got.single, 10);
    for (std::size_t k = 0; k < one["cmc"].size(); ++k) {
      CHECK(figures.cmc[k] == doctest::Approx(one["cmc"][k].get<double>()).epsilon(1e-6));  // torchreid's curve is float32
      CHECK(std::fabs(single[k] - one["single_shot"][k].get<double>()) < 0.012);            // a mean of 4,000 draws against its expectation
    }
    // A gallery that ends before the depth leaves the curve where it is.
    const auto deep = metrics::ranking_figures(got.ranked, 1000);
    CHECK(deep.cmc.back() == 1);
  }
}

TEST_CASE("CUHK03 with nothing left to chance is torchreid's") {
  const auto& one = fixtures()["single_shot"];
  std::vector<Sighting> queries, items;
  for (std::int64_t i = 1; i <= 12; ++i) {
    queries.push_back({i, 1});
    items.push_back({i, 2});
  }
  const metrics::Gallery gallery(items, {});
  const auto got = score(one["query"], one["gallery"], one["dim"], metrics::Distance::euclidean, queries, gallery, {.repeats = 3});
  const auto cmc = metrics::single_shot_cmc(got.single, 10);
  for (std::size_t k = 0; k < 10; ++k) CHECK(cmc[k] == doctest::Approx(one["cmc"][k].get<double>()).epsilon(1e-6));
  CHECK(metrics::ranking_figures(got.ranked, 10).mean_ap == doctest::Approx(one["map"].get<double>()).epsilon(1e-12));
}

TEST_CASE("CUHK03 draws: the seed fixes them, distractors are one identity or each its own") {
  std::vector<double> distances{5, 1, 2, 3, 4};
  const metrics::Gallery gallery({{7, 2}, {0, 2}, {0, 2}, {0, 2}, {8, 2}}, {});
  Given given(distances);
  const auto ranks = [&](bool apart, std::uint64_t seed) {
    return metrics::single_shot_ranks(given.row(0), {7, 1}, gallery, {.repeats = 20, .seed = seed, .distractors_apart = apart});
  };
  CHECK(ranks(false, 3) == std::vector<std::int64_t>(20, 3));
  CHECK(ranks(true, 3) == std::vector<std::int64_t>(20, 5));
  const metrics::Gallery two({{7, 2}, {7, 3}, {9, 2}, {7, 1}, {8, 2}}, {});
  const auto draw = [&](std::uint64_t seed) {
    return metrics::single_shot_ranks(given.row(0), {7, 1}, two, {.repeats = 40, .seed = seed});
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
  for (const auto rank : draw(1)) CHECK((rank == 1 || rank == 3));
  CHECK(metrics::single_shot_ranks(given.row(0), {6, 1}, two, {}).empty());
}

TEST_CASE("who takes part: same camera, junk, distractors, the query itself") {
  Given given({1, 2, 3, 4, 5, 6, 7});
  const std::vector<Sighting> items{{5, 1}, {-1, 1}, {0, 2}, {5, 2}, {6, 1}, {5, 3}, {-1, 2}};
  auto row = given.row(0);
  auto got = metrics::rank_query(row, {5, 1}, metrics::Gallery(items, {}));
  CHECK(got.ranks == std::vector<std::int64_t>{2, 4});  // of distractor, 5, 6, 5
  CHECK(got.size == 4);
  CHECK(row.nearest(9) == std::vector<std::int64_t>{2, 3, 4, 5});
  const auto with = [&](metrics::GalleryRules rules, Sighting query) {
    Given again({1, 2, 3, 4, 5, 6, 7});
    auto r = again.row(0);
    return metrics::rank_query(r, query, metrics::Gallery(items, rules)).ranks;
  };
  CHECK(with({.drop_same_camera = false}, {5, 1}) == std::vector<std::int64_t>{1, 3, 5});
  CHECK(with({.drop_same_camera = false, .drop_self = true}, {5, 1}) == std::vector<std::int64_t>{2, 4});
  CHECK(with({.special_identities = false}, {5, 1}) == std::vector<std::int64_t>{3, 5});
  CHECK(with({}, {0, 9}).empty());
  CHECK(with({.special_identities = false}, {0, 9}) == std::vector<std::int64_t>{3});
  CHECK(with({}, {9, 1}).empty());
}

TEST_CASE("ties: a wrong item comes before a right one, whatever the order of the gallery") {
  for (const auto& items : {std::vector<Sighting>{{5, 2}, {6, 2}, {5, 2}, {7, 2}}, std::vector<Sighting>{{7, 2}, {6, 2}, {5, 2}, {5, 2}}}) {
    Given given({3, 3, 3, 3});
    auto row = given.row(0.5);
    CHECK(metrics::rank_query(row, {5, 1}, metrics::Gallery(items, {})).ranks == std::vector<std::int64_t>{3, 4});
  }
}

TEST_CASE("average precision by both rules on orders known by heart") {
  const auto both = [](std::vector<std::int64_t> ranks) {
    const metrics::Ranked ranked{std::move(ranks), 4};
    return std::pair(metrics::average_precision(ranked), metrics::trapezoid_average_precision(ranked));
  };
  CHECK(both({1, 3}).first == doctest::Approx(0.833333).epsilon(1e-5));
  CHECK(both({1, 3}).second == doctest::Approx(0.791667).epsilon(1e-5));
  CHECK(both({1, 2}) == std::pair(1.0, 1.0));
  CHECK(both({2, 4}).first == doctest::Approx(0.5));
  CHECK(both({2, 4}).second == doctest::Approx(0.333333).epsilon(1e-5));
  CHECK(both({}) == std::pair(0.0, 0.0));
}

TEST_CASE("thousands of random rows against the definition, with values that float32 cannot tell apart and many ties") {
  core::Rng rng(11, core::Stream::test);
  for (int round = 0; round < 3000; ++round) {
    const auto count = 1 + rng.below(round % 50 == 0 ? 400 : 40), identities = 1 + rng.below(6), levels = 1 + rng.below(30);
    const double step = rng.chance(0.5) ? 1 : 1e-9;  // 1e-9: all alike in float32
    std::vector<double> values;
    std::vector<Sighting> items;
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(1 + step * static_cast<double>(rng.below(levels)));
      items.push_back({static_cast<std::int64_t>(rng.below(identities + 2)) - 1, static_cast<std::int64_t>(rng.below(3))});
    }
    const Sighting query{1 + static_cast<std::int64_t>(rng.below(identities)), static_cast<std::int64_t>(rng.below(3))};
    std::vector<std::int64_t> expected;
    std::vector<std::pair<double, bool>> kept;  // false (wrong) sorts before true at equal distances
    for (std::uint64_t i = 0; i < count; ++i)
      if (items[i].identity != -1 && !(items[i].identity == query.identity && items[i].camera == query.camera))
        kept.emplace_back(values[i], items[i].identity == query.identity);
    std::sort(kept.begin(), kept.end());
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (kept[i].second) expected.push_back(static_cast<std::int64_t>(i) + 1);
    Given given(values, step == 1 ? 0.4F : 1e-6F);
    auto row = given.row(step == 1 ? 0.4 + 1e-5 : 2e-6);
    const auto got = metrics::rank_query(row, query, metrics::Gallery(items, {}));
    REQUIRE(got.ranks == expected);
    REQUIRE(got.size == static_cast<std::int64_t>(kept.size()));
  }
}

TEST_CASE("the same for any number of threads; equal features are no success") {
  core::Rng rng(12, core::Stream::test);
  std::vector<float> q, g;
  for (int i = 0; i < 70 * 20; ++i) q.push_back(static_cast<float>(rng.normal()));
  for (int i = 0; i < 500 * 20; ++i) g.push_back(static_cast<float>(rng.normal()));
  std::vector<Sighting> queries, items;
  for (int i = 0; i < 70; ++i) queries.push_back({1 + i % 9, i % 3});
  for (int i = 0; i < 500; ++i) items.push_back({i % 10, i % 4});
  const metrics::Gallery gallery(items, {});
  const auto one = score(q, g, 20, metrics::Distance::cosine, queries, gallery, {.repeats = 5}, 1);
  for (const int threads : {2, 7}) {
    const auto many = score(q, g, 20, metrics::Distance::cosine, queries, gallery, {.repeats = 5}, threads);
    CHECK(many.single == one.single);
    for (std::size_t i = 0; i < one.ranked.size(); ++i) CHECK(many.ranked[i].ranks == one.ranked[i].ranks);
  }
  const std::vector<float> same_q(70 * 20, 0.3F), same_g(500 * 20, 0.3F);
  for (const auto distance : {metrics::Distance::cosine, metrics::Distance::euclidean}) {
    const auto equal = score(same_q, same_g, 20, distance, queries, gallery, {.repeats = 5}, 2);
    CHECK(metrics::ranking_figures(equal.ranked, 1).cmc[0] == 0);
    for (const auto& one_query : equal.ranked) CHECK(one_query.ranks.back() == one_query.size);
  }
}
