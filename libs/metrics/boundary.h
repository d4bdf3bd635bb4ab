// Contours of masks and how far they agree: the boundary measure F of DAVIS (Perazzi et al., "A benchmark dataset and evaluation
// methodology for video object segmentation", CVPR 2016; counts as the official davis2017-evaluation makes them).
//
// Masks are bit planes, so that a boundary, a dilation or a count handles 64 pixels at a time.
#pragma once

#include "metrics/label_runs.h"

#include <cstdint>
#include <vector>

namespace selfsight::metrics {

/// A mask with one bit a pixel: pixel x of a row is bit x % 64 of its word x / 64. Bits beyond the width may be anything only inside
/// dilate().
class BitPlane {
 public:
  BitPlane() = default;
  BitPlane(std::int64_t height, std::int64_t width);
  [[nodiscard]] std::int64_t height() const { return height_; }
  [[nodiscard]] std::int64_t width() const { return width_; }
  [[nodiscard]] std::int64_t words() const { return words_; }
  std::uint64_t* row(std::int64_t y) { return bits_.data() + y * words_; }
  [[nodiscard]] const std::uint64_t* row(std::int64_t y) const { return bits_.data() + y * words_; }
  void set_run(std::int64_t y, std::int64_t begin, std::int64_t end);
  [[nodiscard]] bool at(std::int64_t y, std::int64_t x) const { return (row(y)[x / 64] >> (x % 64) & 1) != 0; }

 private:
  std::int64_t height_ = 0, width_ = 0, words_ = 0;
  std::vector<std::uint64_t> bits_;
};

/// The masks of labels 1..count of an image; a plane of height 0 for each label that it does not hold.
std::vector<BitPlane> planes_of(const LabelView& image, std::int64_t count);

/// Pixels whose right, lower or lower-right neighbour differs; in the last row only the right one counts, in the last column only the lower
/// one, and the last pixel is never one: a mask that fills the image has no boundary.
BitPlane boundary_of(const BitPlane& mask);
/// Every pixel within `radius` (Euclidean, >= 0) of one of `mask`.
BitPlane dilate(const BitPlane& mask, std::int64_t radius);
std::int64_t count(const BitPlane& mask);
/// Pixels in both; 0 when either has height 0.
std::int64_t common(const BitPlane& a, const BitPlane& b);

/// How far a boundary may be off, in pixels: `tolerance` (DAVIS: 0.008) of the image's diagonal, rounded up.
std::int64_t boundary_radius(std::int64_t height, std::int64_t width, double tolerance = 0.008);

/// A boundary made ready for comparison; empty for a mask of height 0.
struct Boundary {
  Boundary() = default;
  Boundary(const BitPlane& mask, std::int64_t radius);
  BitPlane line, near;
  std::int64_t pixels = 0;
};
/// F: harmonic mean of the shares of each boundary that lies near the other. Two boundaries without pixels agree (1); one alone gives 0.
double boundary_f(const Boundary& truth, const Boundary& prediction);

}  // namespace selfsight::metrics
