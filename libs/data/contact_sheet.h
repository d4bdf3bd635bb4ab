// Grids of small images as one picture: what a network is trained on, what lies in a data set, what was found.
#pragma once

#include "data/image.h"

#include <string>
#include <vector>

namespace selfsight::data {

struct SheetOptions {
  std::int64_t scale = 0;         ///< integer factor, nearest neighbour; 0: the least one that brings the longest side to 64 pixels
  std::int64_t gap = 4;           ///< pixels between images and around the sheet
  std::uint8_t background = 255;  ///< grey value
  std::vector<std::string> row_captions, column_captions;  ///< left of the rows and above the columns; may be shorter than the grid
};

/// One row of the sheet a row of images; rows may differ in length and images in size (a cell is as large as the largest image of
/// its row and column, images are centred in it). Empty images leave their cell empty. Grey when every image is and RGB otherwise.
/// Error: bad_data when there is no image at all, or the sheet would pass max_pixels.
Image contact_sheet(const std::vector<std::vector<Image>>& rows, const SheetOptions& options = {});

/// The image enlarged by an integer factor, nearest neighbour.
Image enlarge(const Image& image, std::int64_t factor);

}  // namespace selfsight::data
