// A data set of any format rewritten as tar shards, for random access with few files.
//   FOLDER/<split>-00000.tar ...       plain tar; entries <split>/<class>/<number>.<ending>, so any tool can read them
//   FOLDER/<split>.index.safetensors   see shard_index.h
#pragma once

#include "data/source.h"

namespace selfsight::data {

/// Writes every split of `dataset` into a new folder, which must not exist, in one step; images keep their bytes, pixels of
/// binary sets become PPM or PGM. Shows its progress. Returns the same data set, now of format "shards".
/// Errors: cannot_create, io; those of the sources.
manifest::Dataset write_shards(const manifest::Dataset& dataset, const std::filesystem::path& folder, std::int64_t shard_bytes);

}  // namespace selfsight::data
