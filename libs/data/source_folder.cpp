// Folders of image files: root/split/class/image, root/class/image, root/split/image or root/image.
#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/registry.h"
#include "data/class_tree.h"
#include "data/listing.h"
#include "data/source.h"

#include <algorithm>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

class FolderSource final : public Source {
 public:
  FolderSource(fs::path root, std::vector<std::string> paths, std::vector<std::int64_t> labels)
      : root_(std::move(root)), name_(root_.filename().string()), paths_(std::move(paths)), labels_(std::move(labels)) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(paths_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return name_ + "/" + paths_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    Stored stored;
    stored.owned = core::read_bytes(root_ / paths_[static_cast<std::size_t>(index)]);
    stored.bytes = stored.owned;
    return stored;
  }

 private:
  fs::path root_;
  std::string name_;
  std::vector<std::string> paths_;
  std::vector<std::int64_t> labels_;
};

// Of names alone, in their order: what opening can compare without looking at every file.
std::string digest_of_names(const std::vector<std::string>& paths) {
  core::Digest names;
  for (const std::string& path : paths) names.add(path).add("\n");
  return names.finish();
}

std::unique_ptr<Source> open_folder(const manifest::Split& split) {
  std::vector<std::string> paths;
  for (TreeEntry& entry : list_folder(split.root)) {
    if (!entry.folder && is_image_name(entry.path)) paths.push_back(std::move(entry.path));
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::int64_t> labels = labels_by_class(paths, split.labels, split.root.string());
  if (const std::string then = split.extra.value("listing", std::string()); !then.empty() && then != digest_of_names(paths))
    fail(Exit::bad_data, "{}: images were added, removed or renamed since it was described ({} now): describe it again with ssl-data",
         split.root.string(), paths.size());
  return std::make_unique<FolderSource>(split.root, std::move(paths), std::move(labels));
}

manifest::Dataset describe_folder(const fs::path& path) {
  if (!fs::is_directory(path)) fail(Exit::no_input, "{}: no such folder", path.string());
  const fs::path root = fs::canonical(path);
  const std::vector<TreeEntry> listing = list_folder(root);
  const Tree tree = class_tree(listing, "train", path.string());
  warn_passed_over(tree.passed_over, path.string());
  manifest::Dataset dataset;
  dataset.name = root.filename().string();
  for (const TreeSplit& part : tree.splits) {
    manifest::Split split = split_of(tree, part, root, "folder", "image");
    // Names and sizes: cheap, and enough to notice that something came, went or changed its length.
    core::Digest listed;
    std::vector<std::string> paths;
    paths.reserve(part.entries.size());
    for (const std::size_t i : part.entries) {
      std::error_code error;
      paths.push_back(listing[i].path.substr(part.prefix.size()));
      listed.add(fmt::format("{}\t{}\n", paths.back(), fs::file_size(root / listing[i].path, error)));
      if (error) fail(Exit::no_input, "{}: {}", (root / listing[i].path).string(), error.message());
    }
    split.digest = listed.finish();
    split.extra["listing"] = digest_of_names(paths);
    dataset.splits[part.name] = split;
  }
  return dataset;
}

// Images directly in it, or up to three folders down; looks at no more than a few entries of each.
bool holds_images(const fs::path& folder, int depth) {
  int looked = 0;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (++looked > 20) return false;
    if (entry.is_directory(ignored) ? depth > 0 && holds_images(entry.path(), depth - 1) : is_image_name(entry.path().filename().string()))
      return true;
  }
  return false;
}

bool recognises(const fs::path& path) { return fs::is_directory(path) && holds_images(path, 3); }

const bool registered = core::Registry<SourceFormat>::instance().add(
    "folder", {"folders of image files: split/class/image, class/image, split/image, or images side by side", open_folder, describe_folder,
               recognises});

}  // namespace
}  // namespace selfsight::data
