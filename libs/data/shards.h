// Tar shards with an index: a data set of any format rewritten for random access with few files.
//   FOLDER/<split>-00000.tar ...       plain tar; entries <split>/<class>/<number>.<ending>, so any tool can read them
//   FOLDER/<split>.index.safetensors   shard (I32), offset, size, label (I64), name_end (I64) into names (U8), one row a sample
#pragma once

#include "data/source.h"

#include <functional>

namespace selfsight::data {

inline constexpr const char* shard_index_ending = ".index.safetensors";

/// Writes every split of `dataset` into a new folder, which must not exist, in one step; images keep their bytes, pixels of
/// binary sets become PPM or PGM. `advance` is told of every sample. Returns the same data set, now of format "shards".
/// Errors: cannot_create, io; those of the sources.
manifest::Dataset write_shards(const manifest::Dataset& dataset, const std::filesystem::path& folder, std::int64_t shard_bytes,
                               const std::function<void()>& advance);

}  // namespace selfsight::data
