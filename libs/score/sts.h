// `sts-score score`: predicted similarities of sentence pairs against those that people gave.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>

namespace selfsight::score {

struct StsOptions {
  std::string truth, predictions, first, second;
  std::string field = "score";
  std::int64_t bands = 5, show = 5;

  void describe(core::Options& options);
};

/// Errors: usage, no_input, bad_data.
manifest::Metrics score_sts(const StsOptions& options, int threads);

}  // namespace selfsight::score
