#include "data/class_tree.h"

#include "core/error.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string_view>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

std::size_t depth_of(const std::string& path) { return 1 + static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')); }

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Names that mark a first folder as a split where images lie directly in it.
bool names_a_split(const std::string& name) {
  static const std::set<std::string> known = {"train", "training", "val",       "valid",      "validation",
                                              "test",  "testing",  "unlabeled", "unlabelled", "extra"};
  return known.contains(name);
}

void refuse_empty_folders(const std::vector<TreeEntry>& listing, const std::vector<std::size_t>& images, const std::string& origin) {
  std::set<std::string> used;
  for (const std::size_t i : images) {
    for (std::string folder = parent_of(listing[i].path); !folder.empty() && used.insert(folder).second;) folder = parent_of(folder);
  }
  for (const TreeEntry& entry : listing) {
    if (entry.folder && !used.contains(entry.path)) {
      fail(Exit::bad_data, "{}: folder '{}' holds no images: remove it, or put its images back", origin, entry.path);
    }
  }
}

}  // namespace

bool is_image_name(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  if (dot == std::string::npos) return false;
  std::string ending = path.substr(dot + 1);
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static const std::set<std::string> known = {"jpg", "jpeg", "png", "bmp", "ppm", "pgm", "pnm", "webp", "tif", "tiff", "jp2"};
  return known.contains(ending);
}

std::string class_of(const std::string& path) { return parent_of(path); }

Tree class_tree(const std::vector<TreeEntry>& listing, const std::string& single, const std::string& origin) {
  std::vector<std::size_t> images;
  for (std::size_t i = 0; i < listing.size(); ++i) {
    if (!listing[i].folder && is_image_name(listing[i].path)) images.push_back(i);
  }
  if (images.empty())
    fail(Exit::bad_data, "{}: no images (files ending in jpg, jpeg, png, bmp, ppm, pgm, pnm, webp, tif, tiff, jp2)", origin);
  refuse_empty_folders(listing, images, origin);
  std::sort(images.begin(), images.end(), [&](std::size_t a, std::size_t b) { return listing[a].path < listing[b].path; });

  // 1: images alone, 2: one folder deep, 3: two or more.
  const auto kind = [&](std::size_t i) { return std::min<std::size_t>(depth_of(listing[i].path), 3); };
  for (const std::size_t i : images) {
    if (kind(i) != kind(images.front())) {
      fail(Exit::bad_data, "{}: '{}' and '{}' lie at different depths: images must be in split/class/, in class/, or all side by side",
           origin, listing[images.front()].path, listing[i].path);
    }
  }
  const auto top = [&](std::size_t i) { return listing[i].path.substr(0, listing[i].path.find('/')); };
  const bool split_folders =
      kind(images.front()) == 3 ||
      (kind(images.front()) == 2 && std::all_of(images.begin(), images.end(), [&](std::size_t i) { return names_a_split(top(i)); }));
  std::map<std::string, TreeSplit> splits;
  std::set<std::string> classes;
  for (const std::size_t i : images) {
    TreeSplit& split = splits[split_folders ? top(i) : single];
    if (split_folders) split.prefix = top(i) + "/";
    split.entries.push_back(i);
    if (const std::string name = class_of(listing[i].path.substr(split.prefix.size())); !name.empty()) classes.insert(name);
  }
  Tree tree;
  for (auto& [name, split] : splits) {
    split.name = name;
    tree.splits.push_back(std::move(split));
  }
  tree.classes.assign(classes.begin(), classes.end());
  return tree;
}

std::vector<std::int64_t> labels_by_class(const std::vector<std::string>& paths, const std::vector<std::string>& classes,
                                          const std::string& origin) {
  std::vector<std::int64_t> labels(paths.size(), -1);
  if (classes.empty()) return labels;
  std::map<std::string_view, std::int64_t> index;
  for (const std::string& name : classes) index.emplace(name, static_cast<std::int64_t>(index.size()));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto found = index.find(class_of(paths[i]));
    if (found == index.end())
      fail(Exit::bad_data, "{}: '{}' is in no class of the manifest: describe the set again with ssl-data", origin, paths[i]);
    labels[i] = found->second;
  }
  return labels;
}

}  // namespace selfsight::data
