#include "data/shards.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"
#include "data/class_tree.h"
#include "data/shard_index.h"
#include "data/tar.h"

#include <algorithm>
#include <fstream>
#include <memory>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

/// One tar that is being written, with its digest.
class ShardFile {
 public:
  explicit ShardFile(const fs::path& path) : path_(path), out_(path, std::ios::binary) {
    if (!out_) fail(Exit::cannot_create, "{}: cannot be created", path.string());
  }
  /// Returns the entry's row in the index, without label and name.
  ShardIndex::Row add(const std::string& name, std::span<const std::byte> body) {
    const std::vector<std::byte> header = tar_header(name, body.size());
    write(header);
    const ShardIndex::Row row{
        .offset = bytes_, .size = static_cast<std::int64_t>(body.size()), .header = header_mark(std::span(header).last(tar_block))};
    write(body);
    write(std::vector<std::byte>(tar_padding(body.size())));
    return row;
  }
  /// Ends the archive; returns its digest.
  std::string finish() {
    write(std::vector<std::byte>(1024));
    out_.close();
    if (!out_) fail(Exit::io, "{}: writing broke off (is the disk full?)", path_.string());
    return digest_.finish();
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  void write(std::span<const std::byte> bytes) {
    out_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!out_) fail(Exit::io, "{}: writing broke off (is the disk full?)", path_.string());
    digest_.add(bytes);
    bytes_ += static_cast<std::int64_t>(bytes.size());
  }

  fs::path path_;
  std::ofstream out_;
  core::Digest digest_;
  std::int64_t bytes_ = 0;
};

std::string ending_of(const std::string& name) { return is_image_name(name) ? name.substr(name.rfind('.') + 1) : "img"; }

manifest::Split write_split(const std::string& name, const manifest::Split& from, const fs::path& temporary, const fs::path& folder,
                            std::int64_t shard_bytes, core::Progress& progress) {
  const std::shared_ptr<const Source> source = open_split(from);
  // Names of splits and classes come from lists that anyone may have written.
  if (!is_split_name(name)) fail(Exit::bad_data, "{}: split '{}' cannot be the name of a file", folder.string(), name);
  ShardIndex index;
  index.labels = from.labels;
  index.channels = source->channels();
  std::unique_ptr<ShardFile> file;
  std::string file_name;
  const auto end_shard = [&] {
    if (!file) return;
    const std::string digest = file->finish();
    index.files.push_back({file_name, file->bytes(), digest});
    file.reset();
  };
  for (std::int64_t i = 0; i < source->size(); ++i, progress.advance(1)) {
    const Stored stored = source->read(i);
    std::vector<std::byte> made;
    std::span<const std::byte> bytes = stored.bytes;
    std::string ending = ending_of(source->name(i));
    if (stored.height > 0) {
      bytes = made = encode_pnm(decode(stored, stored.channels, source->name(i)));
      ending = stored.channels == 1 ? "pgm" : "ppm";
    }
    if (file && file->bytes() + static_cast<std::int64_t>(bytes.size()) > shard_bytes) end_shard();
    if (!file) {
      file_name = fmt::format("{}-{:05}.tar", name, index.files.size());
      file = std::make_unique<ShardFile>(temporary / file_name);
    }
    const std::int64_t of_class = source->label(i);
    const bool named = of_class >= 0 && static_cast<std::size_t>(of_class) < from.labels.size();
    const std::string entry = named ? fmt::format("{}/{}/{:08}.{}", name, from.labels[static_cast<std::size_t>(of_class)], i, ending)
                                    : fmt::format("{}/{:08}.{}", name, i, ending);
    ShardIndex::Row row = file->add(core::safe_entry(entry, folder).generic_string(), bytes);
    row.label = of_class;
    row.name = source->name(i);
    index.add(index.files.size(), row);
  }
  end_shard();
  const std::string index_name = name + shard_index_ending;
  manifest::Split split = from;
  split.format = "shards";
  split.root = folder;
  split.digest = index.write(temporary / index_name);
  split.files = {{"index", {folder / index_name, split.digest}}};
  split.subset.reset();
  for (const char* of_source : {"prefix", "part", "passed_over", "listing", "without_image"}) split.extra.erase(of_source);
  return split;
}

}  // namespace

manifest::Dataset write_shards(const manifest::Dataset& dataset, const fs::path& folder, std::int64_t shard_bytes) {
  for (const auto& [name, split] : dataset.splits)
    if (std::find(split.fields.begin(), split.fields.end(), "video") != split.fields.end())
      fail(Exit::usage, "split '{}' holds videos, and videos are not put into shards: they are read where they lie", name);
  const fs::path target = fs::absolute(folder).lexically_normal();
  if (fs::exists(target)) fail(Exit::cannot_create, "{}: exists already: shards are written into a new folder", folder.string());
  std::int64_t total = 0;
  for (const auto& [name, split] : dataset.splits) total += split.count;
  core::Progress progress("shard", total, "images");
  manifest::Dataset out = dataset;
  core::create_folder_atomically(target, [&](const fs::path& temporary) {
    for (auto& [name, split] : out.splits) split = write_split(name, dataset.splits.at(name), temporary, target, shard_bytes, progress);
  });
  progress.finish();
  return out;
}

}  // namespace selfsight::data
