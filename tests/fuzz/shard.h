// The good shard that targets/shards.cpp reads through indices that may be bad.
#pragma once

#include "data/tar.h"

#include <string>
#include <vector>

namespace selfsight::fuzz {

inline constexpr const char* shard_name = "a.tar";
inline const std::vector<std::string> shard_entries = {"train/cat/0.ppm", "train/dog/1.ppm"};
inline const std::string one_pixel = "P6\n1 1\n255\nrgb";

inline std::string good_shard() {
  std::string out;
  for (const std::string& name : shard_entries) {
    const std::vector<std::byte> header = data::tar_header(name, one_pixel.size());
    out.append(reinterpret_cast<const char*>(header.data()), header.size());
    out += one_pixel + std::string(data::tar_padding(one_pixel.size()), '\0');
  }
  return out + std::string(2 * data::tar_block, '\0');
}

}  // namespace selfsight::fuzz
