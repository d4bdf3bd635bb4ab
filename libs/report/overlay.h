// Masks over their image: the prediction as a fill, the ground truth as a line around it.
#pragma once

#include "data/image.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace selfsight::report {

/// Which object each pixel belongs to, 0 for none; height * width numbers. Empty: there is no mask.
struct LabelMap {
  std::int64_t height = 0, width = 0;
  std::vector<std::int32_t> labels;
  std::vector<std::uint16_t> values{};  ///< what number i is in the file; values[0] is 0
  [[nodiscard]] bool empty() const { return labels.empty(); }
};

/// The mask in a label image (PNG): 0 is no object, the other values are numbered in ascending order. Errors: as data::decode_labels.
LabelMap label_map_of(std::span<const std::byte> bytes, const std::string& name);

/// The colour that object `number` (from 1) is filled with, for CSS.
std::string fill_colour(std::size_t number);

/// The image with the objects of `prediction` filled in their colours, and a white line (dark on its outer side) along the borders of
/// `truth`; the longest side at most `side`. Masks of another size are stretched to the image; without an image they lie on grey. Empty
/// when nothing is given.
data::Image overlay(const data::Image& image, const LabelMap& prediction, const LabelMap& truth, std::int64_t side);

}  // namespace selfsight::report
