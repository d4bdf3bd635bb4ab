// Tar shards through their index (shard_index.h), those that ssl-data shard writes and those of WebDataset alike: both are mapped, nothing
// is parsed or copied, and of the index only what is looked at takes memory. A shard is compared with its index when it is opened (its
// length, and the tar header of its first sample) and whenever a sample is read (the sample's own tar header). What neither shows is a body
// that was changed in place, under an equal header; and a shard that another process shortens while it is mapped ends the program (SIGBUS).
#include "core/digest.h"
#include "core/error.h"
#include "core/registry.h"
#include "data/shard_index.h"
#include "data/source.h"
#include "data/tar.h"
#include "manifest/manifest.h"
#include "manifest/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;
using Json = nlohmann::json;

struct Shard {
  fs::path path;
  core::MappedFile map;
};

class ShardsSource final : public Source {
 public:
  /// `folder` is where the shards lie.
  ShardsSource(const fs::path& index, const fs::path& folder) : path_(index), index_(index) {
    if (const std::string& format = metadata("format"); format != shard_index_format)
      fail(Exit::bad_data, "{}: an index of version '{}', where '{}' is expected: make it again (ssl-data index, or ssl-data shard)",
           index.string(), format, shard_index_format);
    shard_ = column<std::int32_t>("shard", "I32");
    offset_ = column<std::int64_t>("offset", "I64");
    header_ = column<std::int32_t>("header", "I32");
    size_ = column<std::int64_t>("size", "I64");
    label_ = column<std::int64_t>("label", "I64");
    name_end_ = column<std::int64_t>("name_end", "I64");
    names_ = column<char>("names", "U8");
    if (header_.size() != shard_.size() || offset_.size() != shard_.size() || size_.size() != shard_.size() ||
        label_.size() != shard_.size() || name_end_.size() != shard_.size()) {
      fail(Exit::bad_data, "{}: its columns differ in length", index.string());
    }
    const Json shards = listed("shards", "its list of shards is damaged");
    if (!shards.is_array()) fail(Exit::bad_data, "{}: its list of shards is damaged", index.string());
    for (const Json& shard : shards) {
      if (!shard.is_object() || !shard.contains("file") || !shard["file"].is_string() || !shard.value("digest", Json("")).is_string())
        fail(Exit::bad_data, "{}: its list of shards is damaged", index.string());
      const fs::path file = folder / core::safe_entry(shard["file"].get<std::string>(), index);
      files_.push_back({file, core::MappedFile(file)});
      if (const std::size_t bytes = files_.back().map.bytes().size(); Json(bytes) != shard.value("bytes", Json())) {
        fail(Exit::bad_data, "{}: {} bytes where {} says {}: truncated, or not the shard that was indexed", file.string(), bytes,
             index.string(), shard.value("bytes", Json()).dump());
      }
    }
    for (std::size_t i = 0; i < shard_.size(); ++i) {
      check(i);
      if (i == 0 || shard_[i] != shard_[i - 1]) {
        file_of(i).map.will_need(static_cast<std::size_t>(offset_[i]) - tar_block, tar_block);
        check_header(i);
      }
    }
    channels_ = metadata("channels") == "1" ? 1 : 3;
  }
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(shard_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return label_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::int64_t channels() const override { return channels_; }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    const auto i = static_cast<std::size_t>(index);
    const std::size_t begin = i == 0 ? 0 : static_cast<std::size_t>(name_end_[i - 1]);
    return {names_.data() + begin, static_cast<std::size_t>(name_end_[i]) - begin};
  }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    const auto i = static_cast<std::size_t>(index);
    file_of(i).map.will_need(static_cast<std::size_t>(offset_[i]) - tar_block, tar_block + static_cast<std::size_t>(size_[i]));
    check_header(i);
    Stored stored;
    stored.bytes = file_of(i).map.bytes().subspan(static_cast<std::size_t>(offset_[i]), static_cast<std::size_t>(size_[i]));
    return stored;
  }
  [[nodiscard]] std::int64_t shard(std::int64_t index) const override { return shard_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::vector<std::string> labels() const {
    const Json names = listed("labels", "its class names are damaged");
    if (!names.is_array() || !std::all_of(names.begin(), names.end(), [](const Json& name) { return name.is_string(); }))
      fail(Exit::bad_data, "{}: its class names are damaged", path_.string());
    return names.get<std::vector<std::string>>();
  }
  [[nodiscard]] const std::string& metadata(const std::string& key) const {
    const auto found = index_.metadata().find(key);
    if (found == index_.metadata().end()) fail(Exit::bad_data, "{}: no index of shards ('{}' is missing)", path_.string(), key);
    return found->second;
  }

 private:
  /// A list in the metadata. parse_json bounds its depth: copying and printing go into it by recursion.
  [[nodiscard]] Json listed(const std::string& key, const std::string& otherwise) const {
    return manifest::parse_json(metadata(key), fmt::format("{}: {}", path_.string(), otherwise));
  }
  template <class T>
  [[nodiscard]] std::span<const T> column(const std::string& name, const std::string& dtype) const {
    const manifest::TensorView& tensor = index_.at(name);
    if (tensor.dtype != dtype || tensor.shape.size() != 1) fail(Exit::bad_data, "{}: '{}' is no column of {}", path_.string(), name, dtype);
    if (reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % alignof(T) != 0)
      fail(Exit::bad_data, "{}: '{}' does not begin at a multiple of {} bytes", path_.string(), name, alignof(T));
    return {reinterpret_cast<const T*>(tensor.bytes.data()), static_cast<std::size_t>(tensor.shape[0])};
  }
  [[nodiscard]] const Shard& file_of(std::size_t i) const { return files_[static_cast<std::size_t>(shard_[i])]; }
  void check(std::size_t i) const {
    const bool in_list = shard_[i] >= 0 && static_cast<std::size_t>(shard_[i]) < files_.size();
    const auto bytes = in_list ? static_cast<std::int64_t>(file_of(i).map.bytes().size()) : 0;
    const bool inside = in_list && offset_[i] >= static_cast<std::int64_t>(tar_block) && size_[i] >= 0 && offset_[i] <= bytes &&
                        size_[i] <= bytes - offset_[i];
    const std::int64_t begin = i == 0 ? 0 : name_end_[i - 1];
    if (!inside || name_end_[i] < begin || name_end_[i] > static_cast<std::int64_t>(names_.size())) {
      fail(Exit::bad_data, "{}: row {} points outside its shard", path_.string(), i);
    }
  }
  void check_header(std::size_t i) const {
    const auto header = file_of(i).map.bytes().subspan(static_cast<std::size_t>(offset_[i]) - tar_block, tar_block);
    if (header_mark(header) != header_[i])
      fail(Exit::bad_data, "{}: '{}' is not at byte {}, where {} has it: the shard was changed since, or is another one; index it again",
           file_of(i).path.string(), name(static_cast<std::int64_t>(i)), offset_[i], path_.string());
  }

  fs::path path_;
  manifest::Safetensors index_;
  std::span<const std::int32_t> shard_, header_;
  std::span<const std::int64_t> offset_, size_, label_, name_end_;
  std::span<const char> names_;
  std::vector<Shard> files_;
  std::int64_t channels_ = 3;
};

std::unique_ptr<Source> open_shards(const manifest::Split& split) {
  const auto index = split.files.find("index");
  if (index == split.files.end()) fail(Exit::bad_data, "{}: the manifest names no index file", split.root.string());
  return std::make_unique<ShardsSource>(index->second.path, split.root);
}

manifest::Dataset describe_shards(const fs::path& path) {
  if (!fs::is_directory(path)) fail(Exit::no_input, "{}: no such folder", path.string());
  const fs::path folder = fs::canonical(path);
  manifest::Dataset dataset;
  dataset.name = folder.filename().string();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(shard_index_ending)) continue;
    const ShardsSource source(entry.path(), folder);
    manifest::Split split;
    split.format = "shards";
    split.root = folder;
    split.files["index"] = {entry.path(), core::digest_of_file(entry.path())};
    split.count = source.size();
    split.labels = source.labels();
    split.fields = {"image"};
    if (!split.labels.empty()) split.fields.emplace_back("label");
    split.digest = split.files["index"].digest;
    dataset.splits[file.substr(0, file.size() - std::char_traits<char>::length(shard_index_ending))] = split;
  }
  if (dataset.splits.empty()) fail(Exit::no_input, "{}: no *{} in this folder", path.string(), shard_index_ending);
  return dataset;
}

bool recognises(const fs::path& path) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().filename().string().ends_with(shard_index_ending)) return true;
  }
  return false;
}

const bool registered = core::Registry<SourceFormat>::instance().add(
    "shards", {"tar shards with an index beside them, of ssl-data shard or ssl-data index", open_shards, describe_shards, recognises});

}  // namespace
}  // namespace selfsight::data
