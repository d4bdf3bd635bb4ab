// The training record: JSON Lines that a run writes, as curves over epochs.
#pragma once

#include "manifest/manifest.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace selfsight::report {

struct Curve {
  std::vector<double> x, y;  ///< x in epochs, or in steps where the record names no epochs
};

struct TrainingRecord {
  std::map<std::string, Curve> steps, epochs;   ///< by the name of the scalar
  std::map<std::string, double> stage_seconds;  ///< what was done beside the steps, summed
  std::string x_label = "epoch";
  [[nodiscard]] bool empty() const { return steps.empty() && epochs.empty(); }
  /// The curve of a name with the most points, of steps or of epochs; null without one.
  [[nodiscard]] const Curve* find(const std::string& name) const;
};

/// Adds the lines of a file: {"type": "step" | "epoch" | "stage", "step", "epoch", further numbers}. Values that are null (not finite when
/// written) are left out. Error: bad_data naming file and line.
void read_record(const std::filesystem::path& path, TrainingRecord& record);

/// All JSON Lines files named by a model's training record ("metrics", "timings"), digests checked. Empty when it names none.
/// Errors: no_input, bad_data.
TrainingRecord record_of(const manifest::Model& model);

/// A file that a manifest names under "files" of its training record; its path is empty when there is none.
manifest::File training_file(const manifest::Model& model, const std::string& role);

}  // namespace selfsight::report
