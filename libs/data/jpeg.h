// JPEG through libjpeg-turbo; used by decode().
#pragma once

#include "data/image.h"

namespace selfsight::data {

bool is_jpeg(std::span<const std::byte> bytes);
/// What the application segments of a JPEG say about its pixels.
struct JpegMarks {
  int orientation = 1;                 ///< EXIF, 1..8
  std::int64_t height = 0, width = 0;  ///< upright; 0 if it is not said before the picture's data
  bool adobe = false;                  ///< an Adobe segment: CMYK values are stored inverted
  int frame = 0;                       ///< marker of the frame: 0xC0 baseline, 0xC2 progressive, ...; 0 if there is none
  int precision = 0, components = 0;   ///< bits of a value, values of a pixel
  bool rgb = false;                    ///< three components, and they are red, green and blue themselves
};
/// Never fails: what cannot be understood keeps its default.
JpegMarks jpeg_marks(std::span<const std::byte> bytes);
/// Whether the picture's data seems to come to its end.
bool has_end(std::span<const std::byte> bytes);
/// As decode_part. `wanted` lies in the upright picture; a picture that is to be turned, or of four inks, or seems cut short, comes whole.
Part decode_jpeg(std::span<const std::byte> bytes, std::int64_t channels, const std::string& name, const Part& wanted, Image& out);
/// Turns an image upright from an EXIF orientation (1..8).
void turn_upright(Image& image, int orientation);

}  // namespace selfsight::data
