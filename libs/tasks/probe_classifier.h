// What a model's own classifier says, as it came with its weights: nothing is trained.
#pragma once

#include "tasks/probe.h"

namespace selfsight::tasks {

/// Rows "classifier top-1" and, with more than ten classes, "classifier top-5" on the test split, whose class numbers must be the
/// classifier's; the folder is taken, the model and what was left out are noted. Errors: usage (other protocols, baselines or layers beside
/// it), bad_data (the model has no head "classifier", no labels, a label that the classifier does not have), those of split and weights.
void judge_classifier(const manifest::Model& model, const manifest::Dataset& dataset, const ProbeOptions& options,
                      const OutputFolder& folder, const dist::Ranks& ranks, manifest::Metrics& metrics);

}  // namespace selfsight::tasks
