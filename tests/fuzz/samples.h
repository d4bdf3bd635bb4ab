// What targets of sources do with one: all that ssl-data and a loader ask of it.
#pragma once

#include "core/registry.h"
#include "data/source.h"
#include "fuzz/target.h"

#include <algorithm>

namespace selfsight::fuzz {

/// Names and labels of all samples, and the bytes and pixels of the first few.
inline void use_source(const data::Source& source) {
  for (std::int64_t i = 0; i < source.size(); ++i) {
    touch(bytes_of(source.name(i)));
    if (source.label(i) < -1 || source.shard(i) < 0) std::abort();
  }
  constexpr std::int64_t most = 16;
  for (std::int64_t i = 0; i < std::min(source.size(), most); ++i)
    attempt([&] {
      const data::Stored stored = source.read(i);
      touch(stored.bytes);
      const data::Image image = data::decode(stored, source.channels(), source.name(i));
      touch(std::span(image.pixels));
    });
}

/// What lies at `path`, described, opened by that description, and used.
inline void use_described(const std::string& format, const fs::path& path) {
  attempt([&] {
    const manifest::Dataset dataset = data::describe(format, path);
    for (const auto& [name, split] : dataset.splits) use_source(*data::open_split(split));
    // Names of classes take the sanitizers some microseconds each, and a line can say that there are a million.
    constexpr std::size_t most_names = 1 << 12;
    std::size_t names = 0;
    for (const auto& [name, split] : dataset.splits) names += split.labels.size();
    if (names <= most_names) to_json(dataset, path.parent_path());
  });
}

}  // namespace selfsight::fuzz
