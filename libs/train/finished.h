// What a run leaves in its folder at its end: the network as files, and the manifest that tells of the run.
#pragma once

#include "train/trainer.h"
#include "train/training_set.h"

#include <optional>
#include <vector>

namespace selfsight::train {

/// What only the run itself knows of its course.
struct Course {
  Progress progress;
  double seconds = 0;
  std::vector<data::BadItem> bad;
  nlohmann::json lengths;  ///< [{"step", "total"}]: from which step on the schedule was for so many
};

/// Writes weights and heads into the run's folder; the manifest names them and the record's files, which lie there already. Errors:
/// cannot_create, io.
manifest::Model export_model(const Run& run, Method& method, const TrainingSet& set, const Course& course);
/// What the folder's run left when it had ended, if it is as long as this one is to be.
std::optional<manifest::Model> finished_run(const Run& run);

}  // namespace selfsight::train
