// Splits made of samples of another split, and the files that say which.
#pragma once

#include "core/options.h"
#include "data/source.h"

#include <cstdint>
#include <string>
#include <vector>

namespace selfsight::data {

/// The samples that a split's list names, of a source of `size`. Errors: no_input; bad_data for a list that is not the manifest's, or that
/// read_subset refuses.
std::vector<std::int64_t> listed_samples(const manifest::File& list, std::int64_t size);

/// The split made of `samples` (numbers in `whole`, which may itself be a subset). Their numbers in the source are written
/// to "<stem of manifest>.<name>.index.json" beside `manifest`. Errors: cannot_create, without `force` also where that file holds
/// something else.
manifest::Split write_subset(const manifest::Split& whole, const std::vector<std::int64_t>& samples, const std::filesystem::path& manifest,
                             const std::string& name, bool force = false);

/// Which samples become splits of their own: exactly one of `into`, `per_class` and `count`.
struct SubsetOptions {
  std::string from = "train";
  std::string into;
  std::int64_t per_class = 0, count = 0;
  std::string name;
  std::uint64_t seed = 0;

  void describe(core::Options& options);
  /// Error: usage unless exactly one way of choosing is given.
  void check() const;
};

/// Adds the splits to `dataset`, which will be written to `manifest`; gives a line on each, for people. Errors: as write_subset and
/// partition.h; usage for a name that is taken.
std::vector<std::string> add_subsets(manifest::Dataset& dataset, const SubsetOptions& options, const std::filesystem::path& manifest,
                                     bool force = false);

}  // namespace selfsight::data
