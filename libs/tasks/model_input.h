// What the tools that judge or use a model start from: its manifest, and the data set to use it on.
#pragma once

#include "core/tool.h"
#include "dist/ranks.h"
#include "manifest/manifest.h"

#include <string>
#include <vector>

namespace selfsight::tasks {

struct ModelInput {
  std::string dataset_file;  ///< --dataset: manifest of another data set than the one the model was trained on
  manifest::Model model;
  manifest::Dataset dataset;
  manifest::fs::path folder;           ///< the model's
  std::vector<manifest::Json> inputs;  ///< for the output's envelope

  /// --dataset.
  void describe(core::Options& options);
  /// Reads the model manifest (and the data set's); of several ranks the first one does. Errors: as manifest::read_document; bad_data for a
  /// model that knows no data set when none is given.
  void read(const core::CommandLine& cli, const dist::Ranks& ranks = {});
};

}  // namespace selfsight::tasks
