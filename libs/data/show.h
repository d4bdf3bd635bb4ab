// A look at a split.
#pragma once

#include "data/image.h"
#include "data/source.h"

namespace selfsight::data {

/// A contact sheet of `count` random samples: a row for every class where there are up to 20, else a square.
/// Errors: those of the source; bad_data when a sample does not decode.
Image sample_sheet(const manifest::Split& split, std::int64_t count, std::uint64_t seed);

}  // namespace selfsight::data
