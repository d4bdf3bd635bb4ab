// Small real runs for tests: a few hundred Fashion-MNIST images, tiny networks.
#pragma once

#include "core/log.h"
#include "nn/state.h"
#include "train/trainer.h"
#include "unit/support.h"

#include <mutex>

namespace selfsight::test {

inline manifest::Dataset fashion_mnist() {
  const auto& format = core::Registry<data::SourceFormat>::instance().find("idx", "format");
  return format.describe("/usr/share/datasets/fashion-mnist");
}

/// Every registered method but those that tests made up: these name no paper.
inline std::vector<std::string> methods() {
  auto names = train::MethodRegistry::instance().names();
  std::erase_if(names, [](const std::string& name) { return train::MethodRegistry::instance().find(name, "method").paper == "none"; });
  return names;
}

/// Every registered modifier, likewise.
inline std::vector<std::string> modifiers() {
  auto names = train::ModifierRegistry::instance().names();
  std::erase_if(names, [](const std::string& name) { return train::ModifierRegistry::instance().find(name, "modifier").paper == "none"; });
  return names;
}

/// A method, alone or inside a modifier.
struct Subject {
  std::string method;
  std::vector<std::string> modifiers;
  [[nodiscard]] std::string name() const { return modifiers.empty() ? method : modifiers[0] + "(" + method + ")"; }
};

/// Every registered method, and every registered modifier around SimCLR.
inline std::vector<Subject> subjects() {
  std::vector<Subject> out;
  for (const auto& method : methods()) out.push_back({method, {}});
  for (const auto& modifier : modifiers()) out.push_back({"simclr", {modifier}});
  return out;
}

/// A folder that lives as long as the process.
inline const fs::path& scratch() {
  static const Folder folder;
  return folder.path();
}

/// A small SimCLR run to learn from, made once in a process: its model manifest.
const fs::path& teacher();

/// A plan of batches for `samples` samples in which all groups are as many as a batch has places. Its data set is not named.
inline fs::path write_plan(const fs::path& folder, std::int64_t samples, std::int64_t batch) {
  const auto order = torch::arange(samples);
  manifest::Plan plan;
  plan.rule = "clusters";
  plan.split = "train";
  plan.count = samples;
  plan.batch = batch;
  plan.redraw = true;
  plan.data.path = folder / fmt::format("plan-{}-{}.safetensors", samples, batch);
  plan.data.digest = nn::save_tensors(plan.data.path, {{"order", order}, {"groups", order % batch}});
  const auto file = folder / fmt::format("plan-{}-{}.json", samples, batch);
  core::write_atomically(file, manifest::to_json(plan, folder).dump());
  return file;
}

/// Options by name (those that the method has) on top of its small profile, a tiny network and a tiny budget.
inline train::Run make_run(const std::string& method, const fs::path& folder, const nlohmann::json& overrides = nlohmann::json::object(),
                           const std::vector<std::string>& modifiers = {}) {
  train::Run run;
  train::choose_method(run, method, modifiers);
  core::Options options;
  run.describe(options);
  nlohmann::json values = train::profile_values(train::MethodRegistry::instance().find(method, "method"), "small");
  const bool vit = values.at("arch").get<std::string>().starts_with("vit");
  if (vit) values.update({{"depth", 2}, {"vit-dim", 48}, {"vit-heads", 3}, {"patch", 7}});
  if (!vit) values.update({{"arch", "resnet10"}, {"stem", "stride2"}, {"width", 0.25}});
  values.update({{"images", 512},
                 {"batch", 64},
                 {"epochs", 2},
                 {"warmup-epochs", 0},
                 {"log-every", 1},
                 {"knn-every", 0},
                 {"workers", 2},
                 {"checkpoint-minutes", 0}});
  const nlohmann::json tiny = {{"queue", 128},  {"prototypes", 20}, {"hidden", 64},
                               {"outputs", 64}, {"locals", 2},      {"freeze-prototypes", 4}};
  const auto set_known = [&](const nlohmann::json& wanted) {
    for (const auto& [name, value] : wanted.items())
      if (options.find(name) != nullptr && !(name == "queue" && values.value("queue", 0) == 0)) values[name] = value;
  };
  set_known(tiny);
  set_known(overrides);
  // What some methods cannot do without.
  if (options.find("teacher") != nullptr && !values.contains("teacher")) values["teacher"] = teacher().string();
  if (method == "g-simclr" && !values.contains("plan"))
    values["plan"] = write_plan(scratch(), values.at("images").get<std::int64_t>(), values.at("batch").get<std::int64_t>()).string();
  options.set_json(values, "test");
  run.dataset = fashion_mnist();
  run.config = options.values();
  train::identify(run, options);
  run.folder = folder;
  run.provenance = false;
  core::set_log_level(core::Level::error);
  return run;
}

inline const fs::path& teacher() {
  static const fs::path file = [] {
    const fs::path folder = scratch() / "teacher";
    auto run = make_run("simclr", folder, {{"images", 4096}, {"epochs", 3}, {"dim", 64}, {"lr-batch", 64}});
    const auto model = train::pretrain(run);
    const auto manifest_file = folder / "model.json";
    core::write_atomically(manifest_file, manifest::to_json(model, folder).dump());
    return manifest_file;
  }();
  return file;
}

/// A model manifest of a backbone and a projector as they are, for colour images.
inline std::string write_teacher(const fs::path& folder, const nn::Backbone& backbone, const nn::Mlp& head) {
  manifest::Model model;
  model.method = "moco";
  model.architecture = nn::to_json(backbone.options());
  model.weights = {folder / "weights.safetensors", nn::save_tensors(folder / "weights.safetensors", nn::named_state(backbone)), {}};
  model.input = {16, 16, 3};
  const auto normalisation = train::usual_normalisation(3);
  model.mean = normalisation.mean;
  model.stddev = normalisation.stddev;
  model.feature_dim = backbone.feature_dim();
  const auto file = folder / "head.safetensors";
  model.heads["projector"] = {{"architecture", nn::to_json(head.options())},
                              {"weights", {{"path", file.string()}, {"digest", nn::save_tensors(file, nn::named_state(head))}}}};
  core::write_atomically(folder / "model.json", manifest::to_json(model, folder).dump());
  return (folder / "model.json").string();
}

/// The same with random weights.
inline std::string write_teacher(const fs::path& folder) {
  torch::manual_seed(11);
  const auto backbone = nn::make_backbone({.name = "resnet10", .stem = "stride2", .width = 0.125});
  return write_teacher(folder, *backbone, nn::Mlp({.dims = {backbone->feature_dim(), 32, 16}}));
}

/// A built method on random colour images, without a data set.
struct Built {
  std::shared_ptr<train::Method> method;
  train::Progress progress{.step = 0, .total_steps = 100, .steps_per_epoch = 10};
  std::int64_t batch = 8;

  /// `options` on top of tiny ones that every method understands in part.
  Built(const std::string& name, const nlohmann::json& values, const std::vector<std::string>& modifiers = {},
        const dist::Ranks& ranks = {}) {
    static std::mutex one_at_a_time;  // ranks that are threads share torch's generator
    const std::lock_guard lock(one_at_a_time);
    train::Run run;
    train::choose_method(run, name, modifiers);
    method = run.network;
    core::Options options;
    method->describe(options);
    options.set_json(values, "test");
    train::Setup setup;
    setup.backbone.name = "resnet10";
    setup.backbone.stem = "stride2";
    setup.backbone.width = 0.125;
    setup.backbone.image = 32;  // which mae and dae are made for
    if (name == "mae") {
      setup.backbone.name = "vit-tiny";
      setup.backbone.patch = 8;
      setup.backbone.depth = 1;
      setup.backbone.dim = 24;
      setup.backbone.heads = 2;
    }
    setup.batch = batch;
    setup.samples = 80;
    setup.normalisation = train::usual_normalisation(3);
    setup.planned = true;
    setup.steps_per_epoch = 10;
    setup.epochs = 10;
    setup.ranks = ranks;
    torch::manual_seed(1);
    method->build(setup);
    dist::join_all(*method, ranks);
    method->train();
  }
  /// Weights and statistics; what counts stays in whole numbers.
  void to_float64() {
    for (auto& [name, tensor] : nn::named_state(*method))
      if (tensor.is_floating_point()) tensor.set_data(tensor.to(torch::kFloat64));
  }
  /// The hook, with random features in place of those of 80 images.
  void before_epoch(std::int64_t seed = 7) {
    train::EpochContext context;
    context.progress = progress;
    context.embed_all = [&](nn::Backbone& network, const std::string& layer, const std::string&) {
      CHECK(layer == "pooled");
      torch::manual_seed(static_cast<std::uint64_t>(seed));
      const torch::Tensor features = torch::randn({80, network.feature_dim()}).to(network.parameters().front().scalar_type());
      return train::Embedded{features, torch::arange(80) % 10, torch::arange(80)};
    };
    context.timed = [](const std::string&, const std::function<void()>& work) { work(); };
    method->before_epoch(context);
  }
  train::Outcome step(const std::vector<torch::Tensor>& x) {
    train::Views views;
    views.x = x;
    return method->step(views, progress);
  }
  [[nodiscard]] torch::Tensor state(const std::string& name) const { return nn::named_state(*method).at(name); }
  static torch::Tensor images(std::int64_t seed, std::int64_t side = 16) {
    torch::manual_seed(static_cast<std::uint64_t>(seed));
    return torch::randn({8, 3, side, side});
  }
};

inline std::string text_of(const fs::path& path) { return core::read_text(path); }

}  // namespace selfsight::test
