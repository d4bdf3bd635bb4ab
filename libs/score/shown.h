// What the verbs that rank have in common: queries with what was ranked highest, and the memory that blocks of distances may take.
#pragma once

#include "manifest/manifest.h"
#include "metrics/distance.h"

#include <span>
#include <string>
#include <vector>

namespace selfsight::score {

/// One entry of a gallery breakdown ("shown" in schemas/metrics.json).
manifest::Json shown(const std::string& name, const manifest::fs::path& image = {}, const std::string& text = {});

/// Half of the memory bound for blocks, less than 256 MiB without one.
metrics::DistanceOptions block_options(int threads);

/// The `most` best and the `most` worst of the queries by value, in that order; equal ones by number, none twice. NaN: no value, left out.
std::vector<std::int64_t> best_and_worst(std::span<const double> values, std::int64_t most);

/// A copy of some rows.
struct Selection {
  std::vector<float> values;
  metrics::Rows rows;
  Selection(const metrics::Rows& from, std::span<const std::int64_t> which);
};

}  // namespace selfsight::score
