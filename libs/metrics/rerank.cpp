#include "metrics/rerank.h"

#include "core/error.h"
#include "core/threads.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace selfsight::metrics {

namespace {

using Index = std::int32_t;
/// The entries of a row that are not zero, by ascending index.
using Sparse = std::vector<std::pair<Index, double>>;

class Reranking {
 public:
  Reranking(const Rows& all, std::int64_t queries, Distance distance, const RerankOptions& options)
      : all_(all), queries_(queries), options_(options), distance_(distance), exact_(all, all, distance, options.blocks.threads) {
    if (all.count >= std::int64_t{1} << 31) core::fail(core::Exit::bad_data, "re-ranking of {} rows: more than it is made for", all.count);
    find_neighbours();
    encode();
    if (options.k2 != 1) expand();
    invert();
  }

  void run(const std::function<void(DistanceRow&)>& take) const {
    const std::int64_t items = all_.count - queries_;
    const Rows queries{all_.values.first(static_cast<std::size_t>(queries_ * all_.dim)), queries_, all_.dim};
    const Rows gallery{all_.values.subspan(static_cast<std::size_t>(queries_ * all_.dim)), items, all_.dim};
    const ExactDistance exact(queries, gallery, distance_, options_.blocks.threads);
    for_each_row(exact, options_.blocks, [&](DistanceRow& row) {
      const std::vector<double> jaccard = jaccard_distances(row.query);
      const double lambda = options_.lambda, largest = largest_[static_cast<std::size_t>(row.query)];
      for (std::int64_t g = 0; g < items; ++g) {
        float& value = row.approximate[static_cast<std::size_t>(g)];
        const double original = largest > 0 ? std::max(0.0, static_cast<double>(value)) / largest : 0;
        value = static_cast<float>((1 - lambda) * jaccard[static_cast<std::size_t>(g)] + lambda * powered(original));
      }
      // The margin of the distances carried through the power (whose slope is 2 at most, with values up to 1 + the margin), and one
      // rounding.
      const double relative = largest > 0 ? row.margin / largest : 0;
      const double carried = options_.power == 1 ? relative : 2 * relative * (1 + relative) + relative * relative;
      DistanceRow reranked{row.query, row.approximate, 1.001 * lambda * carried + 0x1p-22, [&](std::int64_t g) {
                             return (1 - lambda) * jaccard[static_cast<std::size_t>(g)] +
                                    lambda * original_distance(row.query, queries_ + g);
                           }};
      take(reranked);
    });
  }

 private:
  [[nodiscard]] double powered(double value) const { return options_.power == 1 ? value : value * value; }
  /// Relative to the largest of row i.
  [[nodiscard]] double original_distance(std::int64_t i, std::int64_t j) const {
    const double largest = largest_[static_cast<std::size_t>(i)];
    return largest > 0 ? powered(std::max(0.0, exact_(i, j)) / largest) : 0;
  }
  [[nodiscard]] std::span<const Index> neighbours(std::int64_t i, std::int64_t k) const {
    return std::span(neighbours_).subspan(static_cast<std::size_t>(i * kept_), static_cast<std::size_t>(std::min(k, kept_)));
  }

  void find_neighbours() {
    kept_ = std::min(all_.count, std::max(options_.k1 + 1, options_.k2));
    neighbours_.resize(static_cast<std::size_t>(all_.count * kept_));
    largest_.resize(static_cast<std::size_t>(all_.count));
    for_each_row(exact_, options_.blocks, [&](DistanceRow& row) {
      const auto nearest = row.nearest(kept_);
      std::copy(nearest.begin(), nearest.end(), neighbours_.begin() + row.query * kept_);
      const auto bound = static_cast<double>(*std::max_element(row.approximate.begin(), row.approximate.end())) - 2 * row.margin;
      double largest = 0;
      for (std::size_t g = 0; g < row.approximate.size(); ++g)
        if (static_cast<double>(row.approximate[g]) >= bound) largest = std::max(largest, row.exact(static_cast<std::int64_t>(g)));
      largest_[static_cast<std::size_t>(row.query)] = largest;
    });
  }

  /// Those of the k nearest of i that have i among their own k nearest (equation 2), in ascending order.
  [[nodiscard]] std::vector<Index> reciprocal(std::int64_t i, std::int64_t k) const {
    std::vector<Index> out;
    for (const Index j : neighbours(i, k)) {
      const auto back = neighbours(j, k);
      if (std::find(back.begin(), back.end(), static_cast<Index>(i)) != back.end()) out.push_back(j);
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  /// Gaussian weights over the extended reciprocal set (equations 3, 4 and 7), as shares.
  void encode() {
    encoding_.resize(static_cast<std::size_t>(all_.count));
    // Half of k1, halves to the even number, as numpy rounds.
    const auto half = static_cast<std::int64_t>(std::nearbyint(static_cast<double>(options_.k1) / 2)) + 1;
    core::parallel_for(all_.count, 16, options_.blocks.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::vector<Index> base = reciprocal(i, options_.k1 + 1);
        std::vector<Index> extended = base;
        for (const Index j : base) {
          const std::vector<Index> candidate = reciprocal(j, half);
          std::vector<Index> shared;
          std::set_intersection(base.begin(), base.end(), candidate.begin(), candidate.end(), std::back_inserter(shared));
          if (3 * shared.size() > 2 * candidate.size()) extended.insert(extended.end(), candidate.begin(), candidate.end());
        }
        std::sort(extended.begin(), extended.end());
        extended.erase(std::unique(extended.begin(), extended.end()), extended.end());
        Sparse& row = encoding_[static_cast<std::size_t>(i)];
        double sum = 0;
        for (const Index j : extended) {
          row.emplace_back(j, std::exp(-original_distance(i, j)));
          sum += row.back().second;
        }
        for (auto& [j, weight] : row) weight /= sum;
      }
    });
  }

  /// Mean of the encodings of the k2 nearest (section 3.5, local query expansion).
  void expand() {
    std::vector<Sparse> expanded(encoding_.size());
    core::parallel_for(all_.count, 16, options_.blocks.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Sparse gathered;
        const auto nearest = neighbours(i, options_.k2);
        for (const Index j : nearest) {
          const Sparse& row = encoding_[static_cast<std::size_t>(j)];
          gathered.insert(gathered.end(), row.begin(), row.end());
        }
        std::stable_sort(gathered.begin(), gathered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        Sparse& row = expanded[static_cast<std::size_t>(i)];
        for (const auto& [j, weight] : gathered) {
          if (row.empty() || row.back().first != j) row.emplace_back(j, 0);
          row.back().second += weight;
        }
        for (auto& [j, weight] : row) weight /= static_cast<double>(nearest.size());
        row.shrink_to_fit();
      }
    });
    encoding_ = std::move(expanded);
  }

  /// For each row, the gallery items whose encoding names it: what a query shares nothing with has distance 1 and need not be visited.
  void invert() {
    named_by_.resize(encoding_.size());
    for (std::int64_t i = queries_; i < all_.count; ++i)
      for (const auto& [j, weight] : encoding_[static_cast<std::size_t>(i)])
        named_by_[static_cast<std::size_t>(j)].emplace_back(static_cast<Index>(i - queries_), weight);
  }

  /// To every gallery item: 1 - sum of minima / sum of maxima (equation 10); encodings sum to 1, so the maxima sum to 2 - the minima.
  [[nodiscard]] std::vector<double> jaccard_distances(std::int64_t query) const {
    std::vector<double> out(static_cast<std::size_t>(all_.count - queries_));
    for (const auto& [j, weight] : encoding_[static_cast<std::size_t>(query)])
      for (const auto& [item, other] : named_by_[static_cast<std::size_t>(j)])
        out[static_cast<std::size_t>(item)] += std::min(weight, other);
    for (double& value : out) value = 1 - value / (2 - value);
    return out;
  }

  Rows all_;
  std::int64_t queries_, kept_ = 0;
  RerankOptions options_;
  Distance distance_;
  ExactDistance exact_;
  std::vector<Index> neighbours_;
  std::vector<double> largest_;
  std::vector<Sparse> encoding_, named_by_;
};

}  // namespace

void for_each_reranked_row(const Rows& all, std::int64_t queries, Distance distance, const RerankOptions& options,
                           const std::function<void(DistanceRow& row)>& take) {
  Reranking(all, queries, distance, options).run(take);
}

}  // namespace selfsight::metrics
