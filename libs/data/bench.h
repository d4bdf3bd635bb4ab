// How fast a data set becomes views on this machine, stage by stage.
#pragma once

#include "data/loader.h"

namespace selfsight::data {

struct BenchOptions {
  std::string split = "train";
  std::string views = "simclr";  ///< published_views()
  std::int64_t size = 224, local_size = 96, locals = 6, batch = 64, images = 512;
  double seconds = 3;
  LoaderOptions loader;
  void describe(core::Options& options);
};

/// The views of a published method by its name: byol, dino, eval, mae, moco, simclr, swav; `local` and `locals` are of dino and swav.
std::vector<Recipe> published_views(const std::string& name, std::int64_t size, std::int64_t local, std::int64_t locals);

/// Rows named "rate" (views a second), each with its stage in the protocol: "read", "decode" (of the whole image), "decode-needed", "crop",
/// "colour", "blur" and "views" (all three) of one thread in memory; "loader" with 1 worker and with all; then "overhead", the share of the
/// loader's processor time with 1 worker that is none of the stages'. A sentence for each goes to the log, the last naming the dearest
/// stage. `images` random samples are used over and over, `seconds` for each stage, so files come from the page cache after the first.
/// Errors: of the split; bad_data for an image that does not decode.
manifest::Metrics bench(const manifest::Dataset& dataset, const BenchOptions& options);

}  // namespace selfsight::data
