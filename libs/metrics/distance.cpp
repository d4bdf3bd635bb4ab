#include "metrics/distance.h"

#include "core/error.h"
#include "core/threads.h"
#include "metrics/product.h"

#include <sys/mman.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <new>

namespace selfsight::metrics {

namespace {

constexpr double unit_roundoff = 0x1p-24;  // float32
constexpr std::int64_t tile_left = 96, tile_right = 256;

std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

/// Eight sums side by side, then one: an order that vector units keep, and that is the same everywhere.
template <class Term>
double summed(std::int64_t count, const Term& term) {
  std::array<double, 8> sums{};
  std::int64_t k = 0;
  for (; k + 8 <= count; k += 8)
    for (std::int64_t lane = 0; lane < 8; ++lane) sums[static_cast<std::size_t>(lane)] += term(k + lane);
  for (; k < count; ++k) sums[static_cast<std::size_t>(k % 8)] += term(k);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

double dot(const float* a, const float* b, std::int64_t dim) {
  return summed(dim, [&](std::int64_t k) { return static_cast<double>(a[k]) * static_cast<double>(b[k]); });
}

std::vector<double> lengths(const Rows& rows, int threads) {
  std::vector<double> out(static_cast<std::size_t>(rows.count));
  core::parallel_for(rows.count, 64, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[static_cast<std::size_t>(i)] = std::sqrt(dot(rows.row(i), rows.row(i), rows.dim));
  });
  return out;
}

/// Floats that start at a large page, and lie on such where the system has them: a product runs through more small pages than the processor
/// keeps addresses of.
class Buffer {
 public:
  explicit Buffer(std::int64_t size)
      : data_(static_cast<float*>(::operator new(static_cast<std::size_t>(size) * sizeof(float), large_page))) {
    ::madvise(data_.get(), static_cast<std::size_t>(size) * sizeof(float), MADV_HUGEPAGE);  // no harm where it is refused
  }
  [[nodiscard]] float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t large_page{2 << 20};
  struct Free {
    void operator()(float* data) const { ::operator delete(data, large_page); }
  };
  std::unique_ptr<float, Free> data_;
};

}  // namespace

std::int64_t unrankable_row(const Rows& rows, Distance distance, int threads) {
  std::int64_t first = rows.count;
  std::mutex mutex;
  core::parallel_for(rows.count, 64, threads, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      bool fine = true, zero = true;
      for (std::int64_t k = 0; k < rows.dim; ++k) {
        fine &= std::fabs(rows.row(i)[k]) <= 1e15F;  // false for NaN
        zero &= rows.row(i)[k] == 0;
      }
      if (fine && !(distance == Distance::cosine && zero)) continue;
      const std::lock_guard lock(mutex);
      first = std::min(first, i);
    }
  });
  return first == rows.count ? -1 : first;
}

ExactDistance::ExactDistance(const Rows& queries, const Rows& gallery, Distance distance, int threads)
    : queries_(queries), gallery_(gallery), distance_(distance) {
  if (queries.dim != gallery.dim) core::fail(core::Exit::internal, "distances of {} and {} dimensions", queries.dim, gallery.dim);
  if (distance == Distance::cosine) {
    query_norms_ = lengths(queries, threads);
    gallery_norms_ = lengths(gallery, threads);
  }
}

double ExactDistance::operator()(std::int64_t query, std::int64_t item) const {
  const float *a = queries_.row(query), *b = gallery_.row(item);
  if (distance_ == Distance::cosine)
    return 1 - dot(a, b, queries_.dim) / (query_norms_[static_cast<std::size_t>(query)] * gallery_norms_[static_cast<std::size_t>(item)]);
  return summed(queries_.dim, [&](std::int64_t k) {
    const double difference = static_cast<double>(a[k]) - static_cast<double>(b[k]);
    return difference * difference;
  });
}

namespace {

/// Sixteen minima side by side, which the compiler turns into vectors.
float least_of(std::span<const float> values) {
  constexpr std::size_t width = 16;
  std::array<float, width> least;
  least.fill(std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + width <= values.size(); i += width)
    for (std::size_t lane = 0; lane < width; ++lane) least[lane] = values[i + lane] < least[lane] ? values[i + lane] : least[lane];
  for (; i < values.size(); ++i) least[0] = std::min(least[0], values[i]);
  return *std::min_element(least.begin(), least.end());
}

}  // namespace

std::vector<std::int64_t> DistanceRow::nearest(std::int64_t k) const {
  constexpr std::size_t stretch = 64;
  if (k <= 0) return {};
  // At least k values are no larger than the k-th smallest of the stretches' least ones, so the k-th smallest of all is not either.
  std::vector<float> least;
  for (std::size_t begin = 0; begin < approximate.size(); begin += stretch)
    least.push_back(least_of(approximate.subspan(begin, std::min(stretch, approximate.size() - begin))));
  float kth = std::numeric_limits<float>::max();
  if (std::vector<float> sorted = least; sorted.size() >= static_cast<std::size_t>(k)) {
    std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end());
    kth = std::min(kth, sorted[static_cast<std::size_t>(k - 1)]);
  }
  std::vector<std::pair<float, std::int64_t>> close;
  const double far = static_cast<double>(kth) + 2 * margin;
  for (std::size_t s = 0; s < least.size(); ++s) {
    if (static_cast<double>(least[s]) > far) continue;
    const std::size_t end = std::min(approximate.size(), (s + 1) * stretch);
    for (std::size_t g = s * stretch; g < end; ++g)
      if (static_cast<double>(approximate[g]) <= far && !std::isinf(approximate[g]))
        close.emplace_back(approximate[g], static_cast<std::int64_t>(g));
  }
  k = std::min(k, static_cast<std::int64_t>(close.size()));
  if (k == 0) return {};
  std::nth_element(close.begin(), close.begin() + (k - 1), close.end());
  // The k-th smallest true value is at most this + margin, so whatever may be among them has an approximate value of at most + 2 margin.
  const double bound = static_cast<double>(close[static_cast<std::size_t>(k - 1)].first) + 2 * margin;
  std::vector<std::pair<double, std::int64_t>> candidates;
  for (const auto& [value, item] : close)
    if (static_cast<double>(value) <= bound) candidates.emplace_back(exact(item), item);
  std::partial_sort(candidates.begin(), candidates.begin() + k, candidates.end());
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < k; ++i) out.push_back(candidates[static_cast<std::size_t>(i)].second);
  return out;
}

/// Rows brought to where float32 serves best: of length 1 for the cosine (1 - cos is half the squared distance of unit vectors), and less
/// the gallery's mean, which changes no distance and takes away what all rows share.
class DistanceBlocks {
 public:
  DistanceBlocks(const ExactDistance& exact, const DistanceOptions& options)
      : exact_(exact), options_(options), dim_(exact.gallery_.dim), product_(panel_products().back()) {
    find_centre();
    query_sizes_ = sizes(exact_.queries_, exact_.query_norms_);
    gallery_sizes_ = sizes(exact_.gallery_, exact_.gallery_norms_);
    largest_ = gallery_sizes_.empty() ? 0 : *std::max_element(gallery_sizes_.begin(), gallery_sizes_.end());
  }

  void run(const std::function<void(DistanceRow&)>& take) {
    const std::int64_t queries = exact_.queries_.count, gallery = exact_.gallery_.count, stride = round_up(gallery, right_rows);
    const auto budget = static_cast<std::int64_t>(std::min<std::uint64_t>(options_.memory / sizeof(float), std::uint64_t{1} << 50));
    const bool whole = round_up(gallery, tile_right) * dim_ <= budget / 2;
    const std::int64_t part = whole ? round_up(gallery, tile_right)
                                    : std::max(tile_right, budget / 2 / std::max<std::int64_t>(dim_, 1) / tile_right * tile_right);
    // A gallery that is packed once costs nothing more for small blocks of queries; one that is packed again for each block wants few.
    const std::int64_t affordable = (budget - part * dim_) / (dim_ + stride) / left_rows * left_rows;
    const std::int64_t rows =
        std::min(round_up(queries, left_rows), std::clamp(affordable, left_rows, whole ? 5 * tile_left : std::max(queries, left_rows)));
    const std::int64_t padded_rows = round_up(rows, left_rows);
    Buffer left(padded_rows * dim_), right(part * dim_), out(padded_rows * stride);
    for (std::int64_t first = 0; first < queries; first += padded_rows) {
      const std::int64_t count = std::min(padded_rows, queries - first);
      pack(exact_.queries_, exact_.query_norms_, first, count, left_rows, padded_rows, left.data());
      for (std::int64_t begin = 0; begin < gallery; begin += part) {
        const std::int64_t items = std::min(part, gallery - begin);
        if (!whole || first == 0) pack(exact_.gallery_, exact_.gallery_norms_, begin, items, right_rows, part, right.data());
        multiply({left.data(), first, count, padded_rows}, {right.data(), begin, items, part}, out.data(), stride);
      }
      core::parallel_for(count, 4, options_.threads, [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t i = from; i < to; ++i) {
          const std::int64_t query = first + i;
          DistanceRow row{query, std::span(out.data() + i * stride, static_cast<std::size_t>(gallery)), margin(query),
                          [this, query](std::int64_t item) { return exact_(query, item); }};
          take(row);
        }
      });
    }
  }

 private:
  struct Packed {
    const float* data;
    std::int64_t first, count, padded;
  };

  [[nodiscard]] bool cosine() const { return exact_.distance_ == Distance::cosine; }
  [[nodiscard]] float scale(const std::vector<double>& norms, std::int64_t i) const {
    return cosine() ? static_cast<float>(1 / norms[static_cast<std::size_t>(i)]) : 1.0F;
  }

  void find_centre() {
    const Rows& gallery = exact_.gallery_;
    const std::int64_t step = std::max<std::int64_t>(1, gallery.count / 4096);  // any point near the middle serves
    std::vector<double> sums(static_cast<std::size_t>(dim_));
    std::int64_t used = 0;
    for (std::int64_t i = 0; i < gallery.count; i += step, ++used) {
      const double factor = static_cast<double>(scale(exact_.gallery_norms_, i));
      for (std::int64_t k = 0; k < dim_; ++k) sums[static_cast<std::size_t>(k)] += factor * static_cast<double>(gallery.row(i)[k]);
    }
    for (const double sum : sums) centre_.push_back(used > 0 ? static_cast<float>(sum / static_cast<double>(used)) : 0);
  }

  /// Squared lengths of the rows as they are packed.
  [[nodiscard]] std::vector<double> sizes(const Rows& rows, const std::vector<double>& norms) const {
    std::vector<double> out(static_cast<std::size_t>(rows.count));
    core::parallel_for(rows.count, 64, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const float factor = scale(norms, i), *row = rows.row(i);
        out[static_cast<std::size_t>(i)] = summed(dim_, [&](std::int64_t k) {
          const auto value = static_cast<double>(row[k] * factor - centre_[static_cast<std::size_t>(k)]);
          return value * value;
        });
      }
    });
    return out;
  }

  /// Panels of `width` rows; within a stretch of product_depth elements, element k of all rows of a panel side by side.
  void pack(const Rows& rows, const std::vector<double>& norms, std::int64_t first, std::int64_t count, std::int64_t width,
            std::int64_t padded, float* out) const {
    core::parallel_for(round_up(count, width) / width, 1, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t panel = begin; panel < end; ++panel)
        for (std::int64_t from = 0; from < dim_; from += product_depth) {
          const std::int64_t depth = std::min(product_depth, dim_ - from);
          float* to = out + padded * from + panel * width * depth;
          for (std::int64_t r = 0; r < width; ++r) {
            const std::int64_t i = panel * width + r;
            if (i >= count) {
              for (std::int64_t k = 0; k < depth; ++k) to[k * width + r] = 0;
              continue;
            }
            const float factor = scale(norms, first + i), *row = rows.row(first + i) + from, *centre = centre_.data() + from;
            for (std::int64_t k = 0; k < depth; ++k) to[k * width + r] = row[k] * factor - centre[k];
          }
        }
    });
  }

  /// out[query][item] of one block of queries and one part of the gallery.
  void multiply(const Packed& left, const Packed& right, float* out, std::int64_t stride) const {
    const std::int64_t across = round_up(right.count, tile_right) / tile_right, down = round_up(left.count, tile_left) / tile_left;
    core::parallel_for(across * down, 1, options_.threads, [&](std::int64_t begin, std::int64_t end) {
      alignas(64) std::array<float, tile_left * tile_right> tile;
      for (std::int64_t one = begin; one < end; ++one) {
        const std::int64_t l0 = one % down * tile_left, r0 = one / down * tile_right;
        const std::int64_t lefts = std::min(tile_left, left.count - l0), rights = std::min(tile_right, right.count - r0);
        tile.fill(0);
        for (std::int64_t from = 0; from < dim_; from += product_depth) {
          const std::int64_t depth = std::min(product_depth, dim_ - from);
          for (std::int64_t r = 0; r < rights; r += right_rows)
            for (std::int64_t l = 0; l < lefts; l += left_rows)
              product_(left.data + left.padded * from + (l0 + l) * depth, right.data + right.padded * from + (r0 + r) * depth, depth,
                       tile.data() + l * tile_right + r, tile_right);
        }
        for (std::int64_t l = 0; l < lefts; ++l) {
          const float* products = tile.data() + l * tile_right;
          const double* gallery = gallery_sizes_.data() + right.first + r0;
          const auto size = static_cast<float>(query_sizes_[static_cast<std::size_t>(left.first + l0 + l)]);
          const float factor = cosine() ? 0.5F : 1.0F;
          float* to = out + (l0 + l) * stride + right.first + r0;
          for (std::int64_t r = 0; r < rights; ++r) to[r] = factor * (size + static_cast<float>(gallery[r]) - 2 * products[r]);
        }
      }
    });
  }

  /// A bound on what rounding does to any value of the row (Higham, "Accuracy and stability of numerical algorithms", section 3.1): of the
  /// packed values, of the sums of products, and of putting them together.
  [[nodiscard]] double margin(std::int64_t query) const {
    const double a = std::sqrt(query_sizes_[static_cast<std::size_t>(query)]), b = std::sqrt(largest_);
    const std::int64_t stretches = dim_ / product_depth + 1;
    const auto roundings = static_cast<double>(std::min(dim_, product_depth) + stretches + 2);
    const double packed = (a + b + (cosine() ? 4 : 0)) * unit_roundoff;
    const double squared =
        2 * roundings * unit_roundoff * a * b + 8 * unit_roundoff * (a * a + b * b) + 2 * (a + b) * packed + packed * packed;
    // Below these float32 loses values altogether, and float64 its last bits.
    return 1.001 * (cosine() ? 0.5 * squared + 1e-12 : squared) + 1e-36;
  }

  const ExactDistance& exact_;
  DistanceOptions options_;
  std::int64_t dim_;
  PanelProduct product_;
  std::vector<float> centre_;
  std::vector<double> query_sizes_, gallery_sizes_;
  double largest_ = 0;
};

void for_each_row(const ExactDistance& exact, const DistanceOptions& options, const std::function<void(DistanceRow& row)>& take) {
  DistanceBlocks(exact, options).run(take);
}

}  // namespace selfsight::metrics
