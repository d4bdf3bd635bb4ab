#include "data/class_tree.h"

#include "core/error.h"
#include "core/log.h"

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

std::string base_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Names that mark a folder as a split, where it alone does not tell.
bool names_a_split(const std::string& name) {
  static const std::set<std::string> known = {"train", "training", "val",       "valid",      "validation",
                                              "test",  "testing",  "unlabeled", "unlabelled", "extra"};
  return known.contains(small_letters(name));
}

void refuse_empty_folders(const std::vector<TreeEntry>& listing, const std::vector<std::size_t>& images, const std::string& origin,
                          const std::string& items) {
  // `images` are in the order of their names, so what lies in a folder follows the folder's own name and a slash. No list of all folders
  // on the way is made: one name of 64 KiB can have 32,000 of them.
  const auto path_before = [&](std::size_t i, const std::string& path) { return listing[i].path < path; };
  const auto holds_some = [&](const std::string& folder) {
    const std::string inside = folder + "/";
    const auto first = std::lower_bound(images.begin(), images.end(), inside, path_before);
    return first != images.end() && listing[*first].path.starts_with(inside);
  };
  for (const TreeEntry& entry : listing) {
    if (entry.folder && !holds_some(entry.path)) {
      fail(Exit::bad_data, "{0}: folder '{1}' holds no {2}: remove it, or put its {2} back", origin, entry.path, items);
    }
  }
}

// "photos/" where every image lies in photos/train/, photos/test/ ...; "" where there is no such folder.
std::string folder_around(const std::vector<TreeEntry>& listing, const std::vector<std::size_t>& images) {
  const std::string& first = listing[images.front()].path;
  for (std::size_t slash = first.find('/'); slash != std::string::npos; slash = first.find('/', slash + 1)) {
    std::string around = first.substr(0, slash + 1);
    if (names_a_split(base_of(first.substr(0, slash)))) return "";  // train/test/1.jpg: a class that is called "test"
    bool all_in_splits = true;
    for (const std::size_t i : images) {
      const std::string& path = listing[i].path;
      if (!path.starts_with(around)) return "";
      const std::size_t next = path.find('/', around.size());
      all_in_splits = all_in_splits && next != std::string::npos && names_a_split(path.substr(around.size(), next - around.size()));
    }
    if (all_in_splits) return around;
  }
  return "";
}

bool is_hidden(const std::string& path) { return path.starts_with('.') || path.find("/.") != std::string::npos; }

bool is_passed_over(const TreeEntry& entry, const TreeItems& items) {
  return !entry.folder && !is_hidden(entry.path) && !items.is_item(entry.path);
}

}  // namespace

manifest::Split split_of(const Tree& tree, const TreeSplit& part, const std::filesystem::path& root, const std::string& format,
                         const std::string& field) {
  manifest::Split split;
  split.format = format;
  split.root = part.prefix.empty() ? root : root / part.prefix.substr(0, part.prefix.size() - 1);
  split.count = static_cast<std::int64_t>(part.entries.size());
  split.labels = tree.classes;
  split.fields = {field};
  if (!tree.classes.empty()) split.fields.emplace_back("label");
  if (!part.passed_over.empty()) split.extra["passed_over"] = part.passed_over;
  return split;
}

std::string small_letters(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string file_ending(const std::string& path) {
  const std::string base = base_of(path);
  const std::size_t dot = base.rfind('.');
  return dot == std::string::npos ? "" : small_letters(base.substr(dot + 1));
}

bool is_image_name(const std::string& path) {
  static const std::set<std::string> known = {"jpg", "jpeg", "png", "bmp", "ppm", "pgm", "pnm", "webp", "tif", "tiff", "jp2"};
  return known.contains(file_ending(path)) && !base_of(path).starts_with('.');
}

TreeItems image_items() { return {is_image_name, "images", "jpg, jpeg, png, bmp, ppm, pgm, pnm, webp, tif, tiff, jp2"}; }

std::string text_of(const PassedOver& passed_over) {
  std::vector<std::pair<std::string, std::int64_t>> order(passed_over.begin(), passed_over.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string out;
  for (const auto& [ending, count] : order)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, ending.empty() ? "without an ending" : "." + ending);
  return out;
}

void warn_passed_over(const PassedOver& passed_over, const std::string& origin, const std::string& items) {
  if (!passed_over.empty()) core::log_warning("{}: passed over, being no {} by their endings: {}", origin, items, text_of(passed_over));
}

std::string class_of(const std::string& path) { return parent_of(path); }

Tree class_tree(const std::vector<TreeEntry>& listing, const std::string& single, const std::string& origin, const TreeItems& items) {
  std::vector<std::size_t> images;
  for (std::size_t i = 0; i < listing.size(); ++i) {
    if (!listing[i].folder && items.is_item(listing[i].path)) images.push_back(i);
  }
  Tree tree;
  for (const TreeEntry& entry : listing)
    if (is_passed_over(entry, items)) ++tree.passed_over[file_ending(entry.path)];
  if (images.empty())
    fail(Exit::bad_data, "{}: no {} (files ending in {}){}", origin, items.name, items.endings,
         tree.passed_over.empty() ? "" : "; there are: " + text_of(tree.passed_over));
  std::sort(images.begin(), images.end(), [&](std::size_t a, std::size_t b) { return listing[a].path < listing[b].path; });
  refuse_empty_folders(listing, images, origin, items.name);

  const std::string around = folder_around(listing, images);
  const auto inside = [&](std::size_t i) { return listing[i].path.substr(around.size()); };
  // 1: images alone, 2: one folder deep, 3: two or more.
  const auto kind = [&](std::size_t i) { return std::min<std::size_t>(depth_of(inside(i)), 3); };
  for (const std::size_t i : images) {
    if (kind(i) != kind(images.front())) {
      fail(Exit::bad_data, "{}: '{}' and '{}' lie at different depths: {} must be in split/class/, in class/, or all side by side", origin,
           listing[images.front()].path, listing[i].path, items.name);
    }
  }
  const auto top = [&](std::size_t i) { return inside(i).substr(0, inside(i).find('/')); };
  const bool split_folders =
      kind(images.front()) == 3 ||
      (kind(images.front()) == 2 && std::all_of(images.begin(), images.end(), [&](std::size_t i) { return names_a_split(top(i)); }));
  std::map<std::string, TreeSplit> splits;
  std::set<std::string> classes;
  for (const std::size_t i : images) {
    TreeSplit& split = splits[split_folders ? top(i) : single];
    if (split_folders) split.prefix = around + top(i) + "/";
    split.entries.push_back(i);
    if (const std::string name = class_of(listing[i].path.substr(split.prefix.size())); !name.empty()) classes.insert(name);
  }
  need_room_for_names(splits.size(), classes.size(), origin);
  for (const TreeEntry& entry : listing) {
    if (!entry.path.starts_with(around) || !is_passed_over(entry, items)) continue;
    const std::size_t slash = entry.path.find('/', around.size());
    const bool below = slash != std::string::npos;
    const auto split = splits.find(!split_folders ? single : below ? entry.path.substr(around.size(), slash - around.size()) : "");
    if (split != splits.end()) ++split->second.passed_over[file_ending(entry.path)];
  }
  for (auto& [name, split] : splits) {
    split.name = name;
    tree.splits.push_back(std::move(split));
  }
  tree.classes.assign(classes.begin(), classes.end());
  return tree;
}

void need_room_for_names(std::size_t splits, std::size_t classes, const std::string& origin) {
  if (classes > 0 && splits > most_class_names / classes)
    fail(Exit::bad_data, "{}: {} splits of {} classes, which would be more than {} names of classes in the manifest", origin, splits,
         classes, most_class_names);
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
