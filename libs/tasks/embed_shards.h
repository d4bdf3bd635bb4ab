// Features of a split made in parts, one job each, and put together again.
#pragma once

#include "manifest/manifest.h"
#include "manifest/safetensors.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::tasks {

/// "3/16": the fourth of sixteen. Error: usage, with what is allowed.
manifest::Shard parse_shard(const std::string& text);

/// Where the samples of a shard lie in the split: [begin, end). The first shards have one more when they cannot all have the same.
struct SampleRange {
  std::int64_t begin = 0, end = 0;
};
SampleRange range_of(const manifest::Shard& shard);

/// The features of a split in shards, to be put together. Needs no memory for them.
class Shards {
 public:
  /// `files`: the manifests of the shards, in any order. Errors: bad_data naming the file (no shard; another model, data set, split, layer
  /// or number of shards than the first; a shard twice or missing; a payload that is not what its manifest says; together more bad images
  /// than they accept), no_input; usage without any file.
  explicit Shards(const std::vector<std::string>& files);
  [[nodiscard]] const std::string& split() const { return parts_.front().features.split; }
  [[nodiscard]] const std::string& layer() const { return parts_.front().features.layer; }
  /// Writes to `payload` what one run over the whole split writes there, and returns its manifest, with the shards among its inputs.
  /// Errors: cannot_create, io.
  [[nodiscard]] manifest::Features merge(const manifest::fs::path& payload) const;

 private:
  struct Part {
    manifest::Features features;
    manifest::Json input;  ///< its entry among the inputs of the whole
    std::shared_ptr<const manifest::Safetensors> tensors;
    std::vector<std::int64_t> left_out;  ///< bad images, by their place in the whole split
  };
  static void open_payload(Part& part);
  std::vector<Part> parts_;  ///< in the order of their shards
};

}  // namespace selfsight::tasks
