// Splits and classes as folder names tell them: split/class/image, class/image, split/image or images alone. Folders and
// archives share these rules.
#pragma once

#include "manifest/manifest.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace selfsight::data {

/// By its ending: jpg, jpeg, png, bmp, ppm, pgm, pnm, webp, tif, tiff, jp2 in any case. Hidden files (".x.jpg") are none.
bool is_image_name(const std::string& path);
/// The ending in small letters, without its dot; "" without one.
std::string file_ending(const std::string& path);

struct TreeEntry {
  std::string path;  ///< relative, with '/' between the parts
  bool folder = false;
};

/// Files that are no items, counted by their endings in small letters ("heic"; "" without one). Hidden files are not counted.
using PassedOver = std::map<std::string, std::int64_t>;

struct TreeSplit {
  std::string name;
  std::string prefix;                ///< "train/", "photos/train/" or ""
  std::vector<std::size_t> entries;  ///< of the listing, in order of their paths
  PassedOver passed_over;            ///< below the prefix
};

struct Tree {
  std::vector<TreeSplit> splits;     ///< in order of their names
  std::vector<std::string> classes;  ///< of all splits together, sorted; empty without classes
  PassedOver passed_over;            ///< in the whole listing
};

/// What a tree is made of.
struct TreeItems {
  std::function<bool(const std::string& path)> is_item;
  std::string name;     ///< "images"
  std::string endings;  ///< "jpg, png", for messages
};
TreeItems image_items();

/// Finds splits and classes. A class may be a nested folder ("greek/alpha"). A folder around all images is looked through where the
/// folders in it are called as splits are ("photos/train/cat/1.jpg"). Files that are no images are passed over and counted. `single`
/// names the split when the folders do not. Errors (bad_data, naming `origin` and the folder): no images; a folder without
/// images; images at depths that do not fit together.
Tree class_tree(const std::vector<TreeEntry>& listing, const std::string& single, const std::string& origin,
                const TreeItems& items = image_items());

/// What the tree says of one of its splits, below `root`; the format's samples have the field `field` ("image"), and labels where there are
/// classes. The digest is the format's to add.
manifest::Split split_of(const Tree& tree, const TreeSplit& part, const std::filesystem::path& root, const std::string& format,
                         const std::string& field);

/// Every split of a data set names all classes, so a small list can come to any number of names; no more than 2^21 are made.
inline constexpr std::size_t most_class_names = std::size_t{1} << 21;
/// Error: bad_data naming `origin`, for more than most_class_names.
void need_room_for_names(std::size_t splits, std::size_t classes, const std::string& origin);

/// The text with its ASCII letters small.
std::string small_letters(std::string text);
/// "10 .heic, 2 .txt, 1 without an ending", the most first.
std::string text_of(const PassedOver& passed_over);
/// One warning for a data set with such files; nothing without.
void warn_passed_over(const PassedOver& passed_over, const std::string& origin, const std::string& items = "images");

/// The class part of a path below a split's prefix: "cat" of "cat/1.jpg", "" of "1.jpg".
std::string class_of(const std::string& path);
/// Label of every path by its class. Error: bad_data for a class that `classes` lacks. Without classes all are -1.
std::vector<std::int64_t> labels_by_class(const std::vector<std::string>& paths, const std::vector<std::string>& classes,
                                          const std::string& origin);

}  // namespace selfsight::data
