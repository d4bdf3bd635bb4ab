// A look at a split.
#pragma once

#include "core/files.h"
#include "core/options.h"
#include "data/image.h"
#include "data/source.h"

namespace selfsight::data {

struct SampleOptions {
  std::string split = "train";
  std::int64_t count = 100;
  std::uint64_t seed = 0;

  void describe(core::Options& options);
};

/// A contact sheet of random samples: a row for every class where there are up to 20, else a square.
/// Errors: those of the source; bad_data for a split that is not there, or when a sample does not decode.
Image sample_sheet(const manifest::Dataset& dataset, const SampleOptions& options);

/// PNG bytes that say whose they are (a tEXt chunk, Software: selfsight), so that a rerun may replace them and nothing else.
std::vector<std::byte> encode_sheet(const Image& sheet);
/// Whether the file was made by encode_sheet. False when it cannot be read.
bool is_sheet(const core::fs::path& file);

}  // namespace selfsight::data
