#include "data/shards.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "data/class_tree.h"
#include "data/tar.h"
#include "manifest/safetensors.h"

#include <nlohmann/json.hpp>

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
  /// Returns where the body begins.
  std::int64_t add(const std::string& name, std::span<const std::byte> body) {
    write(tar_header(name, body.size()));
    const std::int64_t begin = bytes_;
    write(body);
    write(std::vector<std::byte>(tar_padding(body.size())));
    return begin;
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

template <class T>
manifest::TensorView view(const std::vector<T>& values, const char* dtype) {
  return {dtype, {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

manifest::Split write_split(const std::string& name, const manifest::Split& from, const fs::path& temporary, const fs::path& folder,
                            std::int64_t shard_bytes, const std::function<void()>& advance) {
  const std::shared_ptr<const Source> source = open_split(from);
  // Names of splits and classes come from lists that anyone may have written.
  if (!is_split_name(name)) fail(Exit::bad_data, "{}: split '{}' cannot be the name of a file", folder.string(), name);
  std::vector<std::int32_t> shard;
  std::vector<std::int64_t> offset, size, label, name_end;
  std::vector<std::uint8_t> names;
  nlohmann::json shards = nlohmann::json::array();
  core::Digest whole;
  std::unique_ptr<ShardFile> file;
  std::string file_name;
  const auto end_shard = [&] {
    if (!file) return;
    const std::string digest = file->finish();
    shards.push_back({{"file", file_name}, {"bytes", file->bytes()}, {"digest", digest}});
    whole.add(digest);
    file.reset();
  };
  for (std::int64_t i = 0; i < source->size(); ++i, advance()) {
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
      file_name = fmt::format("{}-{:05}.tar", name, shards.size());
      file = std::make_unique<ShardFile>(temporary / file_name);
    }
    const std::int64_t of_class = source->label(i);
    const bool named = of_class >= 0 && static_cast<std::size_t>(of_class) < from.labels.size();
    const std::string entry = named ? fmt::format("{}/{}/{:08}.{}", name, from.labels[static_cast<std::size_t>(of_class)], i, ending)
                                    : fmt::format("{}/{:08}.{}", name, i, ending);
    shard.push_back(static_cast<std::int32_t>(shards.size()));
    offset.push_back(file->add(core::safe_entry(entry, folder).generic_string(), bytes));
    size.push_back(static_cast<std::int64_t>(bytes.size()));
    label.push_back(of_class);
    const std::string original = source->name(i);
    names.insert(names.end(), original.begin(), original.end());
    name_end.push_back(static_cast<std::int64_t>(names.size()));
  }
  end_shard();
  const std::string index = name + shard_index_ending;
  const std::string digest = manifest::write_safetensors(temporary / index,
                                                         {{"shard", view(shard, "I32")},
                                                          {"offset", view(offset, "I64")},
                                                          {"size", view(size, "I64")},
                                                          {"label", view(label, "I64")},
                                                          {"name_end", view(name_end, "I64")},
                                                          {"names", view(names, "U8")}},
                                                         {{"format", "selfsight-shards-1"},
                                                          {"channels", std::to_string(source->channels())},
                                                          {"shards", shards.dump()},
                                                          {"labels", nlohmann::json(from.labels).dump()}});
  whole.add(digest);
  manifest::Split split = from;
  split.format = "shards";
  split.root = folder;
  split.files = {{"index", {folder / index, digest}}};
  split.subset.reset();
  for (const char* of_source : {"prefix", "part", "passed_over"}) split.extra.erase(of_source);
  split.digest = whole.finish();
  return split;
}

}  // namespace

manifest::Dataset write_shards(const manifest::Dataset& dataset, const fs::path& folder, std::int64_t shard_bytes,
                               const std::function<void()>& advance) {
  for (const auto& [name, split] : dataset.splits)
    if (std::find(split.fields.begin(), split.fields.end(), "video") != split.fields.end())
      fail(Exit::usage, "split '{}' holds videos, and videos are not put into shards: they are read where they lie", name);
  const fs::path target = fs::absolute(folder).lexically_normal();
  if (fs::exists(target)) fail(Exit::cannot_create, "{}: exists already: shards are written into a new folder", folder.string());
  manifest::Dataset out = dataset;
  core::create_folder_atomically(target, [&](const fs::path& temporary) {
    for (auto& [name, split] : out.splits) split = write_split(name, dataset.splits.at(name), temporary, target, shard_bytes, advance);
  });
  return out;
}

}  // namespace selfsight::data
