// `ssl-data index`: foreign tars as a data set, by an index of where their samples lie. The tars are only read.
#pragma once

#include "core/options.h"
#include "data/webdataset.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::data {

struct TarIndexOptions {
  WebMembers members;
  std::string list;  ///< a file with a shard, or a pattern of shards, a line; empty: none

  void describe(core::Options& options);
};

/// Indexes the shards that `arguments` and the list name (see shards_by_split). Each split's index is written, after all have been read, to
/// "<stem of manifest>.<split>.index.safetensors" beside `manifest`, or with an empty one to "<split>.index.safetensors" in the folder that
/// holds the split's shards. Classes are numbered over all splits together: class numbers are their own names, class names are sorted.
/// Groups of members without an image are no samples: they are passed over with a warning, counted in the split's "without_image", the
/// first 100 by name. A shard without samples is warned of. Errors: those of read_web_shard; bad_data for a split without images, or labels
/// that are numbers here and names there, or missing for some; cannot_create, without `force` also where the index would replace something
/// else.
manifest::Dataset index_tars(const std::vector<std::string>& arguments, const TarIndexOptions& options,
                             const std::filesystem::path& manifest, bool force);

}  // namespace selfsight::data
