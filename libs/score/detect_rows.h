// What an evaluation of detections comes to in a metrics manifest.
#pragma once

#include "manifest/manifest.h"
#include "score/detect_evaluate.h"

#include <string>

namespace selfsight::score {

/// The figures that the official program prints, under its names ("AP", "APr", "AR@300", "ARs@300"), as fractions; null with a reason where
/// that program prints -1. Corrected ones have " (corrected)" behind the name.
void add_rows(manifest::Metrics& metrics, const GroundTruth& truth, const Results& results, const Evaluation& rules,
              const Evaluated& evaluated);
/// AP of each category (by frequency group for LVIS), and precision over recall: by frequency group for LVIS, by area for COCO.
void add_breakdowns(manifest::Metrics& metrics, const GroundTruth& truth, const Evaluation& rules, const Evaluated& evaluated);

}  // namespace selfsight::score
