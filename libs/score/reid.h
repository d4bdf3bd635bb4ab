// `reid-eval score`: CMC and mAP of person re-identification.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::score {

struct ReidOptions {
  std::string query, gallery, query_items, gallery_items, images;
  std::string identity_array = "identity", camera_array = "camera";
  std::string protocol = "market1501", metric = "euclidean", ap = "step", same_camera = "drop", rerank_distance = "published";
  bool special_identities = true, rerank = false;
  std::int64_t repeats = 10, k1 = 20, k2 = 6, depth = 50, show = 5;
  std::uint64_t seed = 0;
  double lambda = 0.3;
  std::vector<std::int64_t> ranks = {1, 5, 10, 20};

  void describe(core::Options& options);
};

/// Errors: usage, no_input, bad_data.
manifest::Metrics score_reid(const ReidOptions& options, int threads);

}  // namespace selfsight::score
