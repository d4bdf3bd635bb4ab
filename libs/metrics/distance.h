// Distances from rows of features to a gallery of rows: a blocked product in float32 that never holds the whole matrix, with a bound on its
// error, and the float64 value on demand. Whoever ranks compares float32 values where the bound allows it and asks for float64 where it
// does not, so ranks are those of float64 arithmetic, whatever the processor, the number of threads and the sizes of the blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// Row-major float32, not owned.
struct Rows {
  std::span<const float> values;
  std::int64_t count = 0, dim = 0;

  [[nodiscard]] const float* row(std::int64_t i) const { return values.data() + i * dim; }
};

enum class Distance {
  euclidean,  ///< squared Euclidean distance
  cosine,     ///< 1 - cosine; defined for rows that are not zero
};

/// What a row has that cannot be ranked: not a finite number, a size whose square float32 does not hold (above 1e15), or, for the cosine,
/// no length. The first such row, or -1.
std::int64_t unrankable_row(const Rows& rows, Distance distance, int threads);

/// Distances in float64, summed in a fixed order.
class ExactDistance {
 public:
  ExactDistance(const Rows& queries, const Rows& gallery, Distance distance, int threads);
  [[nodiscard]] double operator()(std::int64_t query, std::int64_t item) const;

 private:
  friend class DistanceBlocks;
  Rows queries_, gallery_;
  Distance distance_;
  std::vector<double> query_norms_, gallery_norms_;  // lengths; only for the cosine
};

/// From one query to the whole gallery.
struct DistanceRow {
  std::int64_t query = 0;
  std::span<float> approximate;  ///< each within `margin` of its true value; may be written over
  double margin = 0;
  std::function<double(std::int64_t item)> exact;

  /// The `k` nearest items (all, where there are fewer), nearest first, equal ones in the order of the gallery; items whose approximate
  /// value is infinite are left out.
  [[nodiscard]] std::vector<std::int64_t> nearest(std::int64_t k) const;
};

struct DistanceOptions {
  int threads = 1;
  std::uint64_t memory = std::uint64_t{256} << 20;  ///< bytes for blocks; less than what one block needs is taken as that
};

/// Calls take(row) once for each query, from several threads and in no fixed order.
void for_each_row(const ExactDistance& exact, const DistanceOptions& options, const std::function<void(DistanceRow& row)>& take);

}  // namespace selfsight::metrics
