#include "metrics/retrieval.h"

#include "core/rng.h"
#include "metrics/ranking.h"
#include "unit/support.h"

#include <nlohmann/json.hpp>

using namespace selfsight;
using Ranks = std::vector<std::int64_t>;

namespace {

/// Captions in rows, videos in columns.
struct Matrix {
  std::vector<double> values;
  std::int64_t captions, videos;
  [[nodiscard]] metrics::SimilarityTable from_text() const {
    return {captions, videos, [this](std::int64_t c, std::int64_t v) { return values[static_cast<std::size_t>(c * videos + v)]; }};
  }
  [[nodiscard]] metrics::SimilarityTable from_video() const {
    return {videos, captions, [this](std::int64_t v, std::int64_t c) { return values[static_cast<std::size_t>(c * videos + v)]; }};
  }
};

Ranks first_ranks(const metrics::SimilarityTable& table, const Ranks& query_video, const Ranks& candidate_video, int threads = 1) {
  std::vector<metrics::Sighting> items;
  for (const auto video : candidate_video) items.push_back({video, 0});
  const metrics::Gallery gallery(items, {.drop_same_camera = false, .special_identities = false});
  Ranks out(static_cast<std::size_t>(table.queries));
  metrics::for_each_row(table, threads, [&](metrics::DistanceRow& row) {
    const auto q = static_cast<std::size_t>(row.query);
    out[q] = metrics::rank_query(row, {query_video[q], 0}, gallery).ranks.front();
  });
  return out;
}

Ranks count_up(std::int64_t n) {
  Ranks out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i);
  return out;
}

}  // namespace

TEST_CASE("ranks of both directions, several captions a video, and dual softmax, against numpy") {
  const auto json = nlohmann::json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/scores.json"));
  for (const auto& one : json["retrieval"]) {
    const Ranks of = one["videos"];
    const std::vector<double> values = one["similarity"];
    const auto captions = static_cast<std::int64_t>(of.size()), videos = static_cast<std::int64_t>(values.size()) / captions;
    const Matrix s{values, captions, videos};
    CHECK(first_ranks(s.from_text(), of, count_up(videos), 2) == one["plain"]["text"].get<Ranks>());
    CHECK(first_ranks(s.from_video(), count_up(videos), of, 2) == one["plain"]["captions"].get<Ranks>());
    Ranks groups(static_cast<std::size_t>(videos));
    metrics::for_each_row(s.from_video(), 2, [&](metrics::DistanceRow& row) {
      groups[static_cast<std::size_t>(row.query)] = metrics::group_rank(row, of, videos, row.query);
    });
    CHECK(groups == one["plain"]["videos"].get<Ranks>());
    const double temperature = json["temperature"];
    CHECK(first_ranks(metrics::dual_softmax(s.from_text(), temperature, 2), of, count_up(videos)) == one["dual_text"].get<Ranks>());
    CHECK(first_ranks(metrics::dual_softmax(s.from_video(), temperature, 2), count_up(videos), of) == one["dual_captions"].get<Ranks>());
    for (const auto& [name, summary] : one["summary"].items()) {
      const Ranks ks{1, 5}, ranks = one["plain"][name];
      const auto figures = metrics::retrieval_figures(ranks, ks);
      CHECK(figures.recall[0] == doctest::Approx(summary["R@1"].get<double>()).epsilon(1e-12));
      CHECK(figures.recall[1] == doctest::Approx(summary["R@5"].get<double>()).epsilon(1e-12));
      CHECK(figures.median_rank == summary["median"].get<double>());
      CHECK(figures.mean_rank == doctest::Approx(summary["mean"].get<double>()).epsilon(1e-12));
    }
  }
}

TEST_CASE("ties: a query counts once, and equal similarities are no success") {
  // 500 equal columns: CLIP4Clip's program would add 499 queries.
  const Matrix equal{std::vector<double>(500 * 500, 0.25), 500, 500};
  const Ranks ranks = first_ranks(equal.from_text(), count_up(500), count_up(500));
  CHECK(ranks == Ranks(500, 500));
  const Ranks ks{1, 5, 10, 50};
  CHECK(metrics::retrieval_figures(ranks, ks).recall == std::vector<double>(4, 0.0));
  const Matrix hand{{3, 3, 1, 0, 2, 5, 5, 5, 0, 0, 1, 2, 1, 1, 1, 9}, 4, 4};
  CHECK(first_ranks(hand.from_text(), count_up(4), count_up(4)) == Ranks{2, 3, 2, 1});
  CHECK(first_ranks(hand.from_video(), count_up(4), count_up(4)) == Ranks{1, 1, 4, 1});
  metrics::for_each_row(equal.from_video(), 1, [&](metrics::DistanceRow& row) {
    if (row.query < 3) CHECK(metrics::group_rank(row, count_up(500), 500, row.query) == 500);
  });
}

TEST_CASE("similarities of any size, and neighbours that differ in the last bit") {
  for (const double scale : {0x1p-1000, 0x1p-100, 1.0, 0x1p100, 0x1p1000}) {
    const double next = std::nextafter(0.7, 1.0);
    const Matrix s{{0.7 * scale, next * scale, -0.1 * scale, -0.5 * scale, 0.2 * scale, 0.1 * scale}, 2, 3};
    CHECK(first_ranks(s.from_text(), {0, 1}, {0, 1, 2}) == Ranks{2, 1});
    CHECK(first_ranks(s.from_text(), {1, 2}, {0, 1, 2}) == Ranks{1, 2});
  }
}

TEST_CASE("group ranks of random tables against the definition") {
  core::Rng rng(4, core::Stream::test);
  for (int round = 0; round < 1000; ++round) {
    const auto videos = 1 + static_cast<std::int64_t>(rng.below(6)), captions = videos + static_cast<std::int64_t>(rng.below(10));
    Ranks of = count_up(videos);
    while (static_cast<std::int64_t>(of.size()) < captions)
      of.push_back(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(videos))));
    Matrix s{{}, captions, videos};
    for (std::int64_t i = 0; i < captions * videos; ++i) s.values.push_back(1 + 1e-9 * static_cast<double>(rng.below(5)));
    metrics::for_each_row(s.from_video(), 1, [&](metrics::DistanceRow& row) {
      std::vector<double> best(static_cast<std::size_t>(videos), -1);
      for (std::int64_t c = 0; c < captions; ++c) {
        double& value = best[static_cast<std::size_t>(of[static_cast<std::size_t>(c)])];
        value = std::max(value, s.values[static_cast<std::size_t>(c * videos + row.query)]);
      }
      std::int64_t rank = 1;
      for (std::int64_t v = 0; v < videos; ++v)
        rank += v != row.query && best[static_cast<std::size_t>(v)] >= best[static_cast<std::size_t>(row.query)] ? 1 : 0;
      REQUIRE(metrics::group_rank(row, of, videos, row.query) == rank);
    });
  }
}

TEST_CASE("dual softmax orders what its product underflows for, and otherwise as the product does") {
  // With a temperature of 0.01 all products but the largest of each column are 0. By hand: the logarithms of caption 0's products are
  // ln 10 - 8000, ln 40 - 1000, ln 30 - 900; of caption 1's ln 90, ln 50, ln 39; caption 2's are tiny and positive, tiny and negative, 0.
  const Matrix s{{10, 40, 30, 90, 50, 39, 7, -5, 0}, 3, 3};
  const auto table = metrics::dual_softmax(s.from_text(), 0.01, 2);
  CHECK(first_ranks(table, {2, 2, 2}, {0, 1, 2}) == Ranks{1, 3, 2});
  CHECK(first_ranks(table, {1, 1, 1}, {0, 1, 2}) == Ranks{2, 2, 3});
  CHECK(first_ranks(table, {0, 0, 0}, {0, 1, 2}) == Ranks{3, 1, 1});
  for (const double size : {0x1p-1000, 1e300}) {
    const Matrix wide{{size, -size, 0, size / 2}, 2, 2};
    const auto far = metrics::dual_softmax(wide.from_text(), 1, 1);
    CHECK(std::isfinite(far.at(0, 0)));
    CHECK(far.at(0, 0) > 0);
    CHECK(far.at(0, 1) <= 0);
    CHECK(far.at(1, 0) == 0);
  }
  core::Rng rng(5, core::Stream::test);
  for (int round = 0; round < 200; ++round) {
    Matrix small{{}, 4, 5};
    for (int i = 0; i < 20; ++i) small.values.push_back(0.25 * static_cast<double>(rng.below(9)) - 1);  // equal ones and zeros too
    const auto plain = small.from_text(), dual = metrics::dual_softmax(plain, 0.3, 1);
    const auto product = [&](std::int64_t q, std::int64_t c) {
      double sum = 0;
      for (std::int64_t other = 0; other < 4; ++other) sum += std::exp((plain.at(other, c) - plain.at(q, c)) / 0.3);
      return plain.at(q, c) / sum;
    };
    for (std::int64_t q = 0; q < 4; ++q)
      for (std::int64_t c = 0; c < 5; ++c)
        for (std::int64_t d = 0; d < 5; ++d)
          if (const double gap = product(q, c) - product(q, d); std::fabs(gap) > 1e-12)
            REQUIRE((dual.at(q, c) > dual.at(q, d)) == (gap > 0));
  }
}
