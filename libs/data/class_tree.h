// Splits and classes as folder names tell them: split/class/image, class/image, split/image or images alone. Folders and
// archives share these rules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::data {

/// By its ending: jpg, jpeg, png, bmp, ppm, pgm, pnm, webp, tif, tiff, jp2 in any case.
bool is_image_name(const std::string& path);

struct TreeEntry {
  std::string path;  ///< relative, with '/' between the parts
  bool folder = false;
};

struct TreeSplit {
  std::string name;
  std::string prefix;                ///< "train/" or ""
  std::vector<std::size_t> entries;  ///< of the listing, in order of their paths
};

struct Tree {
  std::vector<TreeSplit> splits;     ///< in order of their names
  std::vector<std::string> classes;  ///< of all splits together, sorted; empty without classes
};

/// Finds splits and classes. A class may be a nested folder ("greek/alpha"). Files that are no images are passed over. `single`
/// names the split when the folders do not. Errors (bad_data, naming `origin` and the folder): no images; a folder without
/// images; images at depths that do not fit together.
Tree class_tree(const std::vector<TreeEntry>& listing, const std::string& single, const std::string& origin);

/// The class part of a path below a split's prefix: "cat" of "cat/1.jpg", "" of "1.jpg".
std::string class_of(const std::string& path);
/// Label of every path by its class. Error: bad_data for a class that `classes` lacks. Without classes all are -1.
std::vector<std::int64_t> labels_by_class(const std::vector<std::string>& paths, const std::vector<std::string>& classes,
                                          const std::string& origin);

}  // namespace selfsight::data
