#include "train/finished.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "manifest/payload.h"
#include "nn/state.h"
#include "train/save_head.h"

namespace selfsight::train {

namespace fs = core::fs;
using nlohmann::json;

namespace {

/// The record of the run: what was done, which files tell of it, which items were bad.
json training_facts(const Run& run, const TrainingSet& set, const Course& course) {
  const auto file = [&](const char* name) {
    const fs::path path = run.folder / name;
    return json{{"path", path.string()}, {"digest", core::digest_of_file(path)}};
  };
  json facts = {{"epochs", course.progress.epochs()},
                {"steps", course.progress.step},
                {"batch", run.train.batch * run.train.accumulate},
                {"images", course.progress.step * run.train.batch * run.train.accumulate},
                {"split", run.train.split},
                {"samples", set.samples()},
                {"files", {{"metrics", file("metrics.jsonl")}}}};
  if (fs::exists(run.folder / "views.png")) facts["files"]["views"] = file("views.png");
  json bad = json::array();
  for (const auto& item : course.bad) bad.push_back({{"name", item.name}, {"reason", item.reason}});
  if (!bad.empty()) facts["bad_items"] = std::move(bad);
  if (course.lengths.size() > 1) facts["lengths"] = course.lengths;
  if (run.provenance) {  // what differs between two runs of the same command
    facts["seconds"] = course.seconds;
    if (!run.ranks.alone()) facts["ranks"] = run.ranks.size();
    facts["files"]["timings"] = file("timings.jsonl");
  }
  return facts;
}

}  // namespace

manifest::Model export_model(const Run& run, Method& method, const TrainingSet& set, const Course& course) {
  manifest::Model model;
  const auto network = method.backbone();
  const auto views = method.views(set.image());
  model.method = run.method;
  model.architecture = nn::to_json(network->options());
  model.weights.path = run.folder / "weights.safetensors";
  model.weights.digest = nn::save_tensors(model.weights.path, nn::named_state(*network));
  model.input = {views.at(0).recipe.size, views.at(0).recipe.size, set.channels()};
  model.mean = set.normalisation().mean;
  model.stddev = set.normalisation().stddev;
  model.feature_dim = network->feature_dim();
  model.config = run.config;
  for (const auto& [name, head] : method.heads()) model.heads[name] = save_head(run.folder, name, *head);
  model.training = training_facts(run, set, course);
  model.dataset = run.dataset;
  return model;
}

std::optional<manifest::Model> finished_run(const Run& run) {
  const fs::path finished = run.folder / "model.json";
  if (!fs::exists(finished)) return std::nullopt;
  try {
    auto model = manifest::read<manifest::Model>(finished.string());
    const auto as_long = [&](const char* option) { return model.config.value(option, json()) == run.config.value(option, json()); };
    if (model.config.is_object() && !(as_long("epochs") && as_long("max-steps"))) return std::nullopt;
    manifest::checked_payload(model.weights, "weights file", finished.string());
    core::log_info("{}: finished already", finished.string());
    return model;
  } catch (const core::Error& error) {
    core::log_warning("the run is finished, but what it left is damaged ({}); it is written again from the last checkpoint", error.what());
    return std::nullopt;
  }
}

}  // namespace selfsight::train
