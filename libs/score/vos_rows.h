// The figures of `vos-segment score` as rows and tables.
#pragma once

#include "metrics/region_boundary.h"
#include "score/mask_files.h"
#include "score/vos.h"

#include <optional>

namespace selfsight::score {

struct ObjectScore {
  std::int64_t object = 0, proposal = 0;
  metrics::SequenceStatistics j, f;
};

/// A sequence scored. Values are shares, 0 to 1.
struct SequenceScore {
  std::string name;
  std::vector<ObjectScore> objects;  ///< in the official order
  std::vector<double> frames;        ///< mean of (J + F) / 2 over the objects, frame by frame; NaN without objects
  // Unsupervised only; nothing where no pixel is an object's.
  std::optional<double> ari, iou, frame_ari, frame_iou;
};

struct VosScore {
  std::vector<SequenceScore> sequences;
  std::vector<MaskPair> frames;  ///< those scored, sequence by sequence
  fs::path annotations;
};

/// Adds rows and breakdowns to `metrics`.
void add_vos_rows(const VosOptions& options, const VosScore& score, const std::string& subject, manifest::Metrics& metrics);

}  // namespace selfsight::score
