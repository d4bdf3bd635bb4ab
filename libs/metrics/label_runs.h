// Label images as runs of equal labels: a row of an annotated image has a handful of runs, so counting by runs costs a fraction of
// counting by pixels.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace selfsight::metrics {

/// A label image: height * width labels, row by row.
struct LabelView {
  std::int64_t height = 0, width = 0;
  std::span<const std::uint16_t> labels;

  [[nodiscard]] const std::uint16_t* row(std::int64_t y) const { return labels.data() + y * width; }
};

/// The first x after `begin` whose label differs from that at `begin`, or `width`.
inline std::int64_t run_end(const std::uint16_t* row, std::int64_t begin, std::int64_t width) {
  const std::uint64_t pattern = row[begin] * std::uint64_t{0x0001000100010001};
  std::int64_t x = begin + 1;
  if constexpr (std::endian::native == std::endian::little) {
    for (; x + 4 <= width; x += 4) {
      std::uint64_t four = 0;
      std::memcpy(&four, row + x, sizeof four);
      if (four != pattern) return x + std::countr_zero(four ^ pattern) / 16;
    }
  }
  while (x < width && row[x] == row[begin]) ++x;
  return x;
}

/// Calls `visit(label, y, begin, end)` for each run of `image`.
template <class Visit>
void for_each_run(const LabelView& image, Visit&& visit) {
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint16_t* row = image.row(y);
    for (std::int64_t x = 0, end = 0; x < image.width; x = end) {
      end = run_end(row, x, image.width);
      visit(row[x], y, x, end);
    }
  }
}

/// Calls `visit(label of a, label of b, pixels)` for each run in which neither changes. Both must have the same size.
template <class Visit>
void for_each_common_run(const LabelView& a, const LabelView& b, Visit&& visit) {
  for (std::int64_t y = 0; y < a.height; ++y) {
    const std::uint16_t *row_a = a.row(y), *row_b = b.row(y);
    std::int64_t end_a = 0, end_b = 0;
    for (std::int64_t x = 0; x < a.width;) {
      if (end_a == x) end_a = run_end(row_a, x, a.width);
      if (end_b == x) end_b = run_end(row_b, x, a.width);
      const std::int64_t end = end_a < end_b ? end_a : end_b;
      visit(row_a[x], row_b[x], end - x);
      x = end;
    }
  }
}

/// Pixels by (label of the truth, label of the prediction).
struct Contingency {
  std::int64_t rows = 0, columns = 0;
  std::vector<std::int64_t> counts;  ///< rows x columns

  Contingency() = default;
  Contingency(std::int64_t r, std::int64_t c) : rows(r), columns(c), counts(static_cast<std::size_t>(r * c)) {}
  [[nodiscard]] std::int64_t at(std::int64_t row, std::int64_t column) const {
    return counts[static_cast<std::size_t>(row * columns + column)];
  }
  /// 0 outside of the table.
  [[nodiscard]] std::int64_t row_sum(std::int64_t row) const;
  [[nodiscard]] std::int64_t column_sum(std::int64_t column) const;
  /// Adds a table of any size; this one grows where it must.
  Contingency& operator+=(const Contingency& other);
};

/// One more than the highest label, 0 for no pixels.
std::int64_t label_count(std::span<const std::uint16_t> labels);
/// The table of two images of one size. Error: internal when the sizes differ.
Contingency contingency(const LabelView& truth, const LabelView& prediction);

}  // namespace selfsight::metrics
