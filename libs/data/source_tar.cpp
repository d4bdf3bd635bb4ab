// Archives of image folders: one tar (or tar.gz) with split/class/image or class/image, or a folder of such archives, one a
// split. A plain tar is mapped, a gzip one inflated into memory once.
#include "core/digest.h"
#include "core/error.h"
#include "core/log.h"
#include "core/registry.h"
#include "data/bytes.h"
#include "data/class_tree.h"
#include "data/shard_index.h"
#include "data/source.h"
#include "data/tar.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

struct Place {
  std::uint64_t offset, size;
};

class TarSource final : public Source {
 public:
  TarSource(FileBytes file, std::string prefix, std::vector<std::string> paths, std::vector<Place> places, std::vector<std::int64_t> labels)
      : file_(std::move(file)),
        prefix_(std::move(prefix)),
        paths_(std::move(paths)),
        places_(std::move(places)),
        labels_(std::move(labels)) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(paths_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::string name(std::int64_t index) const override { return prefix_ + paths_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    const Place& place = places_[static_cast<std::size_t>(index)];
    file_.will_need(place.offset, place.size);
    Stored stored;
    stored.bytes = file_.bytes().subspan(place.offset, place.size);
    return stored;
  }

 private:
  FileBytes file_;
  std::string prefix_;
  std::vector<std::string> paths_;
  std::vector<Place> places_;
  std::vector<std::int64_t> labels_;
};

std::unique_ptr<Source> open_tar(const manifest::Split& split) {
  FileBytes file(split.root);
  const std::string prefix = split.extra.value("prefix", std::string());
  std::vector<TarEntry> entries = list_tar(file.bytes(), split.root);
  std::erase_if(entries,
                [&](const TarEntry& entry) { return entry.folder || !entry.name.starts_with(prefix) || !is_image_name(entry.name); });
  std::sort(entries.begin(), entries.end(), [](const TarEntry& a, const TarEntry& b) { return a.name < b.name; });
  std::vector<std::string> paths;
  std::vector<Place> places;
  for (const TarEntry& entry : entries) {
    paths.push_back(entry.name.substr(prefix.size()));
    places.push_back({entry.offset, entry.size});
  }
  std::vector<std::int64_t> labels = labels_by_class(paths, split.labels, split.root.string());
  return std::make_unique<TarSource>(std::move(file), prefix, std::move(paths), std::move(places), std::move(labels));
}

// "train" of "train.tar.gz"; "" when the name is no archive's.
std::string archive_stem(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* ending : {".tar", ".tar.gz", ".tgz"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::char_traits<char>::length(ending));
  }
  return {};
}

std::vector<fs::path> archives_at(const fs::path& path) {
  if (fs::is_regular_file(path)) return {fs::canonical(path)};
  if (!fs::is_directory(path)) fail(Exit::no_input, "{}: no such file or folder", path.string());
  std::vector<fs::path> archives;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::canonical(path))) {
    if (entry.is_regular_file() && !archive_stem(entry.path()).empty()) archives.push_back(entry.path());
  }
  if (archives.empty()) fail(Exit::no_input, "{}: no tar, tar.gz or tgz archive in this folder", path.string());
  std::sort(archives.begin(), archives.end());
  return archives;
}

manifest::Dataset describe_tar(const fs::path& path) {
  manifest::Dataset dataset;
  std::vector<std::string> classes;
  for (const fs::path& archive : archives_at(path)) {
    const FileBytes file(archive);
    std::vector<TreeEntry> listing;
    for (TarEntry& entry : list_tar(file.bytes(), archive)) listing.push_back({std::move(entry.name), entry.folder});
    const std::string stem = archive_stem(archive);
    const Tree tree = class_tree(listing, stem.empty() ? "train" : stem, archive.string());
    warn_passed_over(tree.passed_over, archive.string());
    if (tree.passed_over.contains("cls"))
      core::log_warning("{}: looks like a shard of WebDataset: ssl-data index reads its labels too", archive.string());
    const std::string digest = core::digest_of_file(archive);
    for (const TreeSplit& part : tree.splits) {
      manifest::Split split;
      split.format = "tar-folders";
      split.root = archive;
      split.extra["prefix"] = part.prefix;
      if (!part.passed_over.empty()) split.extra["passed_over"] = part.passed_over;
      split.count = static_cast<std::int64_t>(part.entries.size());
      split.fields = {"image"};
      if (!tree.classes.empty()) split.fields.emplace_back("label");
      split.labels = tree.classes;
      split.digest = digest;
      if (const auto [other, fresh] = dataset.splits.emplace(part.name, split); !fresh) {
        fail(Exit::bad_data, "split '{}' is in {} and in {}", part.name, other->second.root.string(), archive.string());
      }
    }
    classes.insert(classes.end(), tree.classes.begin(), tree.classes.end());
  }
  // One numbering of the classes for all splits.
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  for (auto& [name, split] : dataset.splits) {
    if (!split.labels.empty()) split.labels = classes;
  }
  const fs::path whole = fs::canonical(path);
  dataset.name = archive_stem(whole).empty() ? whole.filename().string() : archive_stem(whole);
  return dataset;
}

bool recognises(const fs::path& path) {
  if (fs::is_regular_file(path)) return !archive_stem(path).empty();
  bool archives = false;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().filename().string().ends_with(shard_index_ending)) return false;  // our own shards
    archives = archives || !archive_stem(entry.path()).empty();
  }
  return archives;
}

const bool registered = core::Registry<SourceFormat>::instance().add(
    "tar-folders",
    {"tar or tar.gz archives of image folders: one archive, or a folder with one a split", open_tar, describe_tar, recognises});

}  // namespace
}  // namespace selfsight::data
