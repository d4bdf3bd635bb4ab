#include "metrics/retrieval.h"

#include "core/error.h"
#include "core/threads.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace selfsight::metrics {

void for_each_row(const SimilarityTable& table, int threads, const std::function<void(DistanceRow& row)>& take) {
  core::parallel_for(table.queries, 4, threads, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> exact(static_cast<std::size_t>(table.candidates));
    std::vector<float> approximate(exact.size());
    for (std::int64_t q = begin; q < end; ++q) {
      double largest = 0;
      for (std::size_t c = 0; c < exact.size(); ++c) {
        exact[c] = -table.at(q, static_cast<std::int64_t>(c));
        largest = std::max(largest, std::fabs(exact[c]));
      }
      // To below 2, which float32 holds whatever the similarities are; by a power of two, which makes no two of them equal.
      const int exponent = largest > 0 ? -std::ilogb(largest) : 0;
      for (std::size_t c = 0; c < exact.size(); ++c) {
        exact[c] = std::ldexp(exact[c], exponent);
        approximate[c] = static_cast<float>(exact[c]);
      }
      DistanceRow row{q, approximate, 0x1p-23, [&exact](std::int64_t c) { return exact[static_cast<std::size_t>(c)]; }};
      take(row);
    }
  });
}

SimilarityTable dual_softmax(const SimilarityTable& table, double temperature, int threads) {
  // Of each candidate: its largest similarity, and the logarithm of the sum over the queries of exp((s - largest) / temperature).
  struct Softmax {
    double largest = -std::numeric_limits<double>::infinity(), log_sum = 0, log_size = -std::numeric_limits<double>::infinity();
  };
  std::vector<Softmax> columns(static_cast<std::size_t>(table.candidates));
  core::parallel_for(table.candidates, 1, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      Softmax& column = columns[static_cast<std::size_t>(c)];
      double sum = 0;
      for (std::int64_t q = 0; q < table.queries; ++q) {
        column.largest = std::max(column.largest, table.at(q, c));
        column.log_size = std::max(column.log_size, std::log(std::fabs(table.at(q, c))));
      }
      for (std::int64_t q = 0; q < table.queries; ++q) sum += std::exp((table.at(q, c) - column.largest) / temperature);
      column.log_sum = std::log(sum);
    }
  });
  double highest = -std::numeric_limits<double>::infinity();  // no product's logarithm is above it: a softmax is at most 1
  for (const Softmax& column : columns) highest = std::max(highest, column.log_size);
  return {table.queries, table.candidates, [table, temperature, highest, columns = std::move(columns)](std::int64_t q, std::int64_t c) {
            const double s = table.at(q, c);
            if (s == 0) return 0.0;
            const Softmax& column = columns[static_cast<std::size_t>(c)];
            const double logarithm = std::log(std::fabs(s)) + ((s - column.largest) / temperature - column.log_sum);
            // Rises with the product of a positive s, falls with the size of a negative one's, and leaves 0 between them.
            return std::copysign(1 / (1 + std::max(highest - logarithm, 0.0)), s);
          }};
}

std::int64_t group_rank(const DistanceRow& row, std::span<const std::int64_t> group_of, std::int64_t groups, std::int64_t right) {
  constexpr double none = std::numeric_limits<double>::infinity();
  std::vector<double> nearest(static_cast<std::size_t>(groups), none);
  double own = none;
  for (std::size_t c = 0; c < group_of.size(); ++c) {
    double& best = nearest[static_cast<std::size_t>(group_of[c])];
    best = std::min(best, static_cast<double>(row.approximate[c]));
    if (group_of[c] == right) own = std::min(own, row.exact(static_cast<std::int64_t>(c)));
  }
  std::vector<std::uint8_t> before(static_cast<std::size_t>(groups));
  for (std::size_t c = 0; c < group_of.size(); ++c) {
    const auto group = static_cast<std::size_t>(group_of[c]);
    if (group_of[c] == right || before[group] != 0 || static_cast<double>(row.approximate[c]) > own + row.margin) continue;
    before[group] = nearest[group] < own - row.margin || row.exact(static_cast<std::int64_t>(c)) <= own ? 1 : 0;
  }
  return 1 + std::count(before.begin(), before.end(), 1);
}

RetrievalFigures retrieval_figures(std::span<const std::int64_t> ranks, std::span<const std::int64_t> ks) {
  if (ranks.empty()) core::fail(core::Exit::internal, "retrieval figures of no ranks");
  RetrievalFigures out;
  const auto n = static_cast<double>(ranks.size());
  for (const auto k : ks)
    out.recall.push_back(static_cast<double>(std::count_if(ranks.begin(), ranks.end(), [k](auto rank) { return rank <= k; })) / n);
  std::vector<std::int64_t> sorted(ranks.begin(), ranks.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  out.median_rank = static_cast<double>(sorted[half] + sorted[sorted.size() % 2 == 1 ? half : half - 1]) / 2;
  std::int64_t sum = 0;
  for (const auto rank : sorted) sum += rank;
  out.mean_rank = static_cast<double>(sum) / n;
  return out;
}

}  // namespace selfsight::metrics
