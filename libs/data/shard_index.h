// The index of tar shards: where every sample lies, as columns in a safetensors file that is mapped, not parsed. Shards are named relative
// to a folder that the manifest knows (the split's root), so a set that is moved as a whole stays whole.
//   shard (I32), offset, size, label, name_end (I64), header (I32, CRC-32 of the tar header in front of the body): one row a sample
//   names (U8), in which name_end says where each ends
//   metadata: format, channels, labels (JSON array), shards (JSON array of {"file", "bytes", "digest"})
#pragma once

#include "core/files.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace selfsight::data {

inline constexpr const char* shard_index_ending = ".index.safetensors";
inline constexpr const char* shard_index_format = "selfsight-shards-2";

/// What a sample's tar header is known by; `header` are its 512 bytes.
std::int32_t header_mark(std::span<const std::byte> header);

/// An index in the making.
struct ShardIndex {
  struct File {
    std::string name;  ///< relative to the folder of the shards
    std::int64_t bytes = 0;
    std::string digest;  ///< of the whole file, or of its headers alone; for people and other programs, opening does not compare it
  };
  struct Row {
    std::int64_t offset = 0, size = 0;  ///< of the body in its shard, in bytes
    std::int64_t label = -1;
    std::int32_t header = 0;  ///< header_mark
    std::string name;         ///< what messages call the sample
  };

  std::vector<File> files;
  std::vector<std::string> labels;
  std::int64_t channels = 3;

  /// A sample of the shard that is files[shard], or will be.
  void add(std::size_t shard, const Row& row);
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(offset_.size()); }
  /// Writes it atomically; returns the file's digest, which covers those of the shards. Errors: cannot_create, io.
  [[nodiscard]] std::string write(const core::fs::path& path) const;

 private:
  std::vector<std::int32_t> shard_, header_;
  std::vector<std::int64_t> offset_, size_, label_, name_end_;
  std::string names_;
};

/// Whether `path` is an index of shards, of whatever version. Never fails.
bool is_shard_index(const core::fs::path& path);

}  // namespace selfsight::data
