// Binary masks as run lengths, in the form of the COCO data set: pixels column by column, counts of zeros and ones in turn, zeros first.
// Every result is that of pycocotools' mask functions (Lin et al., Microsoft COCO, 2014), bit for bit. No mask is ever unpacked to compare
// it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace selfsight::metrics {

/// A box: left, top, width, height, in pixels.
using Box = std::array<double, 4>;

struct Rle {
  std::uint32_t height = 0, width = 0;
  std::vector<std::uint32_t> counts;  ///< zeros, ones, zeros ...; they sum to height * width

  bool operator==(const Rle&) const = default;
};

/// From a mask of height x width, column by column; anything but 0 belongs to it. Error: internal when the size does not fit.
Rle rle_of_mask(std::span<const std::uint8_t> columns, std::uint32_t height, std::uint32_t width);
/// The mask, column by column, of zeros and ones.
std::vector<std::uint8_t> mask_of_rle(const Rle& rle);

/// COCO's text form of the counts: 5 bits a character from '0' on, from the fourth count on as differences to the count before the last.
std::string rle_to_text(const Rle& rle);
/// Reads it into `out` (which keeps its memory). Error: bad_data with what is wrong with the text, or when the counts do not sum to the
/// size.
void rle_from_text(std::string_view text, std::uint32_t height, std::uint32_t width, Rle& out);
/// Error: bad_data unless the counts sum to the size.
void check_rle(const Rle& rle);

/// Draws one polygon (x, y, x, y ...; an odd number at the end is left out) as pycocotools does: corners on a grid five times as fine,
/// edges by stepping along the longer axis, a column's border where the outline crosses the column's centre. Crossings cancel, so
/// a figure that crosses itself has holes. Error: bad_data for a corner beyond 1e7 pixels.
Rle rle_of_polygon(std::span<const double> corners, std::uint32_t height, std::uint32_t width);
/// The pixels in any of the masks, all of one size. Error: internal for no masks or sizes that differ.
Rle rle_union(std::span<const Rle> masks);

/// Number of ones.
std::uint32_t rle_area(const Rle& rle);
/// The smallest box around the ones; all zeros for an empty mask.
Box rle_box(const Rle& rle);
/// Ones that both have. The sizes must be equal.
std::uint32_t rle_intersection(const Rle& a, const Rle& b);
/// Intersection over union; with `crowd` (of the ground truth) over the detection's area instead. 0 without a common pixel. Masks of
/// different sizes have -1 where their boxes meet (so that they match nothing) and 0 where they do not.
double rle_iou(const Rle& detection, const Rle& truth, bool crowd);

/// The same for boxes; a box without width or height meets nothing.
double box_iou(const Box& detection, const Box& truth, bool crowd);

}  // namespace selfsight::metrics
