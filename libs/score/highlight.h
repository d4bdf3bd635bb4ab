// `vhd-score score`: video highlight detection on YouTube Highlights, TVSum and QVHighlights.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>

namespace selfsight::score {

struct HighlightOptions {
  std::string truth, predictions, videos;
  std::string protocol = "auto", ap = "trapezoid";
  std::int64_t top = 5;

  void describe(core::Options& options);
};

/// Errors: usage, no_input, bad_data.
manifest::Metrics score_highlights(const HighlightOptions& options);

}  // namespace selfsight::score
