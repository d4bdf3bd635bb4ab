#include "tasks/model_input.h"

#include "train/from_first.h"

namespace selfsight::tasks {

void ModelInput::describe(core::Options& options) {
  options.add("dataset", &dataset_file, "data set manifest, when it is not the one that the model was trained on").metavar("FILE");
}

void ModelInput::read(const core::CommandLine& cli, const dist::Ranks& ranks) {
  const manifest::Document document = train::read_input(cli, ranks);
  model = manifest::from_json<manifest::Model>(document.json, document.folder, document.origin);
  folder = document.folder;
  inputs = {manifest::input_entry("model", document.origin, document.json)};
  dataset = model.dataset;
  if (!dataset_file.empty()) {
    const manifest::Document other = train::read_document(dataset_file, ranks);
    dataset = manifest::from_json<manifest::Dataset>(other.json, other.folder, other.origin);
    inputs.push_back(manifest::input_entry("dataset", other.origin, other.json));
  } else if (dataset.splits.empty()) {
    core::fail(core::Exit::bad_data, "{}: says nothing of a data set; name one with --dataset FILE", document.origin);
  }
}

}  // namespace selfsight::tasks
