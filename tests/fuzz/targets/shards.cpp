// The index beside tar shards.
#include "data/shard_index.h"
#include "fuzz/samples.h"
#include "fuzz/shard.h"

namespace selfsight::fuzz {
void try_input(Bytes bytes) {
  static const fs::path tar = file_of(shard_name, bytes_of(good_shard()));
  const fs::path index = file_of(std::string("train") + data::shard_index_ending, bytes);
  use_described("shards", index.parent_path());
}

}  // namespace selfsight::fuzz
