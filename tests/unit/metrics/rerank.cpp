#include "metrics/rerank.h"

#include "unit/support.h"

#include <nlohmann/json.hpp>

#include <cmath>

using namespace selfsight;

namespace {

struct Row {
  std::vector<double> exact;
  std::vector<float> approximate;
  double margin = 0;
};

std::vector<Row> reranked(std::vector<float> queries, const std::vector<float>& gallery, std::int64_t dim, metrics::Distance distance,
                          const metrics::RerankOptions& options) {
  const auto count = static_cast<std::int64_t>(queries.size()) / dim;
  queries.insert(queries.end(), gallery.begin(), gallery.end());
  const metrics::Rows all{queries, static_cast<std::int64_t>(queries.size()) / dim, dim};
  std::vector<Row> out(static_cast<std::size_t>(count));
  metrics::for_each_reranked_row(all, count, distance, options, [&](metrics::DistanceRow& row) {
    Row& to = out[static_cast<std::size_t>(row.query)];
    to.margin = row.margin;
    to.approximate.assign(row.approximate.begin(), row.approximate.end());
    for (std::int64_t g = 0; g < all.count - count; ++g) to.exact.push_back(row.exact(g));
  });
  return out;
}

}  // namespace

TEST_CASE("re-ranked distances are those of the paper's formulas in float64") {
  const auto json = nlohmann::json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/ranking.json"));
  for (const auto& one : json["reranked"]) {
    const auto& data = json["cases"][one["case"].get<std::size_t>()];
    const metrics::RerankOptions options{.k1 = one["k1"], .k2 = one["k2"], .lambda = one["lambda"], .power = one["power"], .blocks = {2}};
    const auto rows = reranked(data["query"], data["gallery"], data["dim"],
                               data["metric"] == "cosine" ? metrics::Distance::cosine : metrics::Distance::euclidean, options);
    const std::vector<double> expected = one["distances"];
    const std::size_t items = expected.size() / rows.size();
    double worst = 0;
    bool within = true;
    for (std::size_t q = 0; q < rows.size(); ++q)
      for (std::size_t g = 0; g < items; ++g) {
        worst = std::max(worst, std::fabs(rows[q].exact[g] - expected[q * items + g]));
        within &= std::fabs(static_cast<double>(rows[q].approximate[g]) - rows[q].exact[g]) <= rows[q].margin;
      }
    CHECK(worst < 1e-12);
    CHECK(within);
  }
}

TEST_CASE("fewer rows than neighbours, rows that are all equal, and lambda 1") {
  const std::vector<float> q{0, 0, 1, 1}, g{0, 1, 5, 5, 1, 1.5F};
  for (const auto& row : reranked(q, g, 2, metrics::Distance::euclidean, {}))
    for (const double value : row.exact) CHECK((value >= 0 && value <= 1));
  const std::vector<float> same(8, 2.0F);
  for (const auto& row : reranked(same, same, 2, metrics::Distance::euclidean, {}))
    for (const double value : row.exact) CHECK(value == doctest::Approx(0));
  const auto original = reranked(q, g, 2, metrics::Distance::euclidean, {.lambda = 1});
  CHECK(original[0].exact[0] == doctest::Approx(1.0 / 50));  // the squared distance over the row's largest
  CHECK(original[0].exact[1] == doctest::Approx(1));
  const auto twice = reranked(q, g, 2, metrics::Distance::euclidean, {.lambda = 1, .power = 2});
  CHECK(twice[0].exact[0] == doctest::Approx(1.0 / 2500));
}
