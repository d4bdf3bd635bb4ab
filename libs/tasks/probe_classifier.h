// What a model's own classifier says, as it came with its weights: nothing is trained.
#pragma once

#include "tasks/probe.h"

namespace selfsight::tasks {

/// Rows "classifier top-1" and "classifier top-5" on the test split, whose class numbers must be the classifier's. Errors: bad_data (the
/// model has no head "classifier", no labels, a label that the classifier does not have), those of the split and of the weights.
std::vector<manifest::Row> judge_classifier(const manifest::Model& model, const manifest::Dataset& dataset, const ProbeOptions& options);

}  // namespace selfsight::tasks
