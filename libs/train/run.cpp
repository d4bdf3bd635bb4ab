#include "core/digest.h"
#include "core/error.h"
#include "manifest/paths.h"
#include "train/trainer.h"

namespace selfsight::train {

void Run::describe(core::Options& options) {
  network->describe(options);
  backbone.describe(options);
  train.describe(options);
  optimizer.describe(options);
  loader.describe(options);
}

void choose_method(Run& run, const std::string& name, const std::vector<std::string>& modifiers) {
  run.method = name;
  run.network = MethodRegistry::instance().find(name, "method").make();
  for (const auto& modifier : modifiers) {
    run.network = ModifierRegistry::instance().find(modifier, "modifier").make(std::move(run.network));
    run.method = modifier + "(" + run.method + ")";
  }
}

nlohmann::json profile_values(const MethodEntry& entry, const std::string& chosen) {
  nlohmann::json values = entry.profiles.at("published");
  if (chosen.empty() || chosen == "published") return values;
  if (!entry.profiles.contains(chosen)) {
    std::vector<std::string> known;
    for (const auto& [name, ignored] : entry.profiles) known.push_back(name);
    core::fail(core::Exit::usage, "--profile: '{}' is not a profile of {} (known: {})", chosen, entry.title, fmt::join(known, ", "));
  }
  values.update(entry.profiles.at(chosen));
  return values;
}

void identify(Run& run, const core::Options& options) {
  run.identity = options.values(/*identity_only=*/true);
  run.identity["method"] = run.method;
  nlohmann::json content = nlohmann::json::object();
  for (const auto& [name, split] : run.dataset.splits) content[name] = manifest::content_of(split);
  run.identity["dataset"] = core::digest_of(std::string_view(content.dump()));
  core::Options own;  // without those of the program around it
  run.describe(own);
  run.may_change.clear();
  run.inputs.clear();
  for (const auto& option : own.all()) {
    if (option.is_runtime()) run.may_change.push_back("--" + option.name());
    if (!option.is_manifest()) continue;
    const auto file = option.value().get<std::string>();
    if (file.empty()) continue;
    if (file == "-" || (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)))
      core::fail(core::Exit::usage, "--{} {}: give a file; this manifest is read more than once", option.name(), file);
    const auto document = manifest::read_document(file);
    run.inputs.push_back(manifest::input_entry(option.name(), document.origin, document.json));
    // What it says counts, not where it lies (run_folder.cpp compares the digests, --config takes the path).
    const std::string content = manifest::content_alone(document.json).dump();
    run.identity[option.name()] = {{"path", std::filesystem::absolute(file).string()},
                                   {"digest", core::digest_of(std::string_view(content))}};
  }
}

}  // namespace selfsight::train
