// A look at a split.
#pragma once

#include "core/files.h"
#include "data/image.h"
#include "data/source.h"

namespace selfsight::data {

/// A contact sheet of `count` random samples: a row for every class where there are up to 20, else a square.
/// Errors: those of the source; bad_data when a sample does not decode.
Image sample_sheet(const manifest::Split& split, std::int64_t count, std::uint64_t seed);

/// PNG bytes that say whose they are (a tEXt chunk, Software: selfsight), so that a rerun may replace them and nothing else.
std::vector<std::byte> encode_sheet(const Image& sheet);
/// Whether the file was made by encode_sheet. False when it cannot be read.
bool is_sheet(const core::fs::path& file);

}  // namespace selfsight::data
