// A look at a split, and the files that say which samples make up a part of one.
#pragma once

#include "data/image.h"
#include "data/source.h"

namespace selfsight::data {

/// A contact sheet of `count` random samples: a row for every class where there are up to 20, else a square.
/// Errors: those of the source; bad_data when a sample does not decode.
Image sample_sheet(const manifest::Split& split, std::int64_t count, std::uint64_t seed);

/// The split made of `samples` (numbers in `whole`, which may itself be a subset). Their numbers in the source are written
/// to "<stem of manifest>.<name>.index.json" beside `manifest`. Errors: cannot_create, also where that file holds something else.
manifest::Split write_subset(const manifest::Split& whole, const std::vector<std::int64_t>& samples, const std::filesystem::path& manifest,
                             const std::string& name);

}  // namespace selfsight::data
