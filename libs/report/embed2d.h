// Two dimensions of many: principal components and t-SNE, exact and reproducible.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace selfsight::report {

struct Pca {
  std::vector<double> mean;        ///< dims
  std::vector<double> components;  ///< kept x dims, orthonormal rows; the entry of largest size in each is positive
  std::vector<double> variances;   ///< kept, descending, with n - 1 in the denominator
  std::vector<double> scores;      ///< count x kept
  double total_variance = 0;
  /// Share of the variance in the first `k` components.
  [[nodiscard]] double share(std::size_t k) const;
};

/// Principal components of `count` rows of `dims` numbers, by subspace iteration on the covariance (or on the Gram matrix where there
/// are fewer rows than dimensions). `keep` is cut to min(count - 1, dims). The same bytes for any number of threads.
/// Error: bad_data with fewer than two rows or a value that is not finite.
Pca pca(std::span<const float> x, std::int64_t count, std::int64_t dims, std::int64_t keep, int threads);

struct TsneOptions {
  double perplexity = 30;  ///< cut to (count - 1) / 3
  double exaggeration = 12;
  std::int64_t exaggerated = 250;  ///< iterations
  std::int64_t iterations = 1000;  ///< in all
  int threads = 1;
};

struct Tsne {
  std::vector<double> y;  ///< count x 2
  double divergence = 0;  ///< KL(P || Q), in nats
  double perplexity = 0;  ///< as used
};

/// Exact t-SNE (van der Maaten and Hinton, JMLR 2008) of `count` rows of `dims` numbers in O(count^2) time and memory, starting from
/// `start` (count x 2, scaled here to a standard deviation of 1e-4), with the learning rate max(50, count / exaggeration / 4) of
/// Belkina et al. 2019. There is no randomness: the same input gives the same bytes for any number of threads.
/// Error: bad_data with fewer than four rows.
Tsne tsne(std::span<const double> x, std::int64_t count, std::int64_t dims, std::span<const double> start, const TsneOptions& options);

}  // namespace selfsight::report
