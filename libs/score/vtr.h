// `vtr-retrieve score`: text to video and video to text.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::score {

struct VtrOptions {
  std::string text, video, similarity, captions, videos;
  std::vector<std::int64_t> ks = {1, 5, 10, 50};
  bool dual_softmax = false;
  double temperature = 0.01;
  std::int64_t show = 5;

  void describe(core::Options& options);
};

/// Errors: usage, no_input, bad_data.
manifest::Metrics score_vtr(const VtrOptions& options, int threads);

}  // namespace selfsight::score
