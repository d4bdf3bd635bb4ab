// What the program of one view (augment_block.h) works by: every number of it, in a form that can be copied to a device as it is.
#pragma once

#include "data/filter.h"
#include "data/view.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace selfsight::kernels {

/// A pixel whose values are whole numbers; of one channel, or of three with a fourth byte that makes one load of it.
template <int channels>
struct alignas(channels == 1 ? 1 : 4) StoredPixel {
  std::uint8_t value[channels == 1 ? 1 : 4];
};

/// Values of the block's own memory: what the first pass of a resize or blur makes for the second, a strip of the view at a time.
inline constexpr std::int32_t middle_values = 12000;
/// Views have at most this side, so that a strip holds a column of one.
inline constexpr std::int64_t largest_view = middle_values / 3;

/// A change of colours, its amount as the arithmetic takes it: steps of 1/256 of the circle for hue.
struct ColourChange {
  data::Colour kind;
  float amount;
};

/// Where the picture lies, what is made of it, and where that goes. The pointers are the executing device's.
struct ViewTask {
  const std::uint8_t* picture = nullptr;  ///< height x width x channels
  std::int32_t height = 0, width = 0;     ///< of the picture
  std::int32_t size = 0;                  ///< side of the view
  bool keeps_pixels = false;              ///< nothing is resized: the view begins at (left, top), and is black outside of the picture
  bool down_first = false, flip = false;
  std::int32_t left = 0, top = 0;      ///< without a resize: in the picture; else in what it is resized to
  data::Sampling across, down;         ///< of the picture's rows and columns
  std::int32_t before = 0, after = 0;  ///< changes of colour before and after the blur
  ColourChange changes[7] = {};
  std::int32_t reach = -1;      ///< taps of the blur on either side of the middle; -1: no blur
  const float* taps = nullptr;  ///< 2 reach + 1
  void* out = nullptr;          ///< size x size x channels
};
static_assert(std::is_trivially_copyable_v<ViewTask>);

/// Mean and standard deviation per channel, of values of 0..255.
struct Normalisation {
  float mean[3] = {0, 0, 0}, stddev[3] = {1, 1, 1};
  Normalisation() = default;
  /// From those of values of 0..1, with the roundings of train::to_tensor.
  Normalisation(const std::vector<double>& means, const std::vector<double>& stddevs);
};

/// Error: usage, naming the option, for a view larger than largest_view.
void check_size(const data::Recipe& recipe);

/// The task of one view, but for its pointers; its taps are appended to `taps`. `image` holds `part` of the picture.
/// Errors: as check_size; bad_data where the filter would have to reach over more than largest_view pixels.
ViewTask view_task(const data::Recipe& recipe, const data::Drawn& drawn, const data::Part& part, const data::Size& image,
                   std::vector<float>& taps);

/// Bytes of scratch that a task needs, for `channels` channels.
std::size_t scratch_bytes(const ViewTask& task, std::int64_t channels);

}  // namespace selfsight::kernels
