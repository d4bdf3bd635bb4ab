// ssl-pretrain METHOD: every pre-training method, from a data set manifest to a model manifest.
#include "core/log.h"
#include "core/progress.h"
#include "core/tool.h"
#include "dist/session.h"
#include "manifest/manifest.h"
#include "train/from_first.h"
#include "train/method_list.h"
#include "train/own_device.h"
#include "train/trainer.h"
#include "train/versions.h"

#include <cstdio>
#include <optional>
#include <utility>

using namespace selfsight;
using nlohmann::json;

namespace {

core::ToolInfo tool_info() {
  return {.name = "ssl-pretrain",
          .purpose = "Pre-trains a network without labels by one of the published methods, and writes a model manifest.",
          .usage = "ssl-pretrain METHOD [options] [DATASET.json|-]",
          .examples = {"ssl-data fashion-mnist /usr/share/datasets/fashion-mnist | ssl-pretrain simclr --profile small --epochs 10 -o "
                       "runs/simclr > model.json",
                       "ssl-pretrain dino --profile small -o runs/dino cifar10.json | ssl-linear | ssl-report -o page.html",
                       "ssl-pretrain moco --profile small --with hallucinator -o runs/hallucinator cifar10.json",
                       "ssl-pretrain --list   (--list=json, --list=markdown)"},
          .see_also = {"ssl-data", "ssl-plan", "ssl-linear", "ssl-embed", "ssl-report"},
          .versions = train::versions()};
}

/// Options that belong to the tool rather than to a component.
struct ToolOptions {
  std::string folder, profile;
  std::vector<std::string> with;
  bool provenance = true;
  dist::SessionOptions session;

  /// `modifiable`: modifiers can come around the method.
  void describe(core::Options& o, const train::MethodEntry& entry, bool modifiable) {
    std::vector<std::string> profiles;
    for (const auto& [name, values] : entry.profiles) profiles.push_back(name);
    o.group("Run");
    o.add("output", &folder, "folder of the run; the same command goes on from its newest checkpoint")
        .letter('o')
        .metavar("DIR")
        .written()
        .runtime();
    profile = "published";
    o.add("profile", &profile, "set of defaults: the paper's, or another").choices(profiles);
    if (modifiable)
      o.add("with", &with, "modifiers around the method, innermost first")
          .metavar("NAME")
          .choices(train::ModifierRegistry::instance().names());
    o.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
    session.describe(o);
  }
};

void train_and_write(core::CommandLine& cli, train::Run& run, const ToolOptions& tool, dist::Session& session) {
  const double begin = core::monotonic_seconds();
  const manifest::Document input = train::read_input(cli, run.ranks);
  run.dataset = manifest::from_json<manifest::Dataset>(input.json, input.folder, input.origin);
  run.folder = std::filesystem::absolute(tool.folder);
  run.provenance = tool.provenance;
  run.config = cli.options().values(/*identity_only=*/!run.provenance);  // where and how it ran differs from run to run
  train::identify(run, cli.options());

  train::open_own_device(session, run.train.device);
  manifest::Model model = train::pretrain(run);
  if (!run.ranks.first()) return;
  const std::filesystem::path file = run.folder / "model.json";
  if (model.tool.empty()) {  // not a finished run's
    model.inputs = {manifest::input_entry("dataset", input.origin, input.json)};
    model.inputs.insert(model.inputs.end(), run.inputs.begin(), run.inputs.end());
    manifest::stamp(model, "ssl-pretrain", cli.argv(), core::monotonic_seconds() - begin, {.provenance = run.provenance});
    manifest::emit(manifest::to_json(model, run.folder), file);
  } else {
    manifest::emit(manifest::to_json(model, run.folder), "");
  }
}

void pretrain(core::CommandLine& cli) {
  std::string name = cli.take_word();
  for (auto argument = cli.argv().begin(); argument != cli.argv().end(); ++argument) {
    const std::string list = "--list", next = argument + 1 == cli.argv().end() ? "" : *(argument + 1);
    for (const std::string format : {"text", "json", "markdown"})
      if (*argument == fmt::format("{}={}", list, format) || (*argument == list && next == format))
        return fmt::print("{}", train::list_methods(format));
    if (*argument == list) return fmt::print("{}", train::list_methods("text"));
  }
  if (name.empty()) {
    cli.info().purpose +=
        " METHOD is one of: " + fmt::format("{}", fmt::join(train::MethodRegistry::instance().names(), ", ")) + " (--list tells of each).";
    if (!cli.wants_help()) core::fail(core::Exit::usage, "say which method: ssl-pretrain METHOD ... (ssl-pretrain --list shows them)");
    cli.parse();
    return;
  }
  const auto& entry = train::MethodRegistry::instance().find(name, "method");
  cli.info().usage = "ssl-pretrain " + name + " [options] [DATASET.json|-]";
  cli.info().purpose = fmt::format("{}: {}\nPaper: {}\nNeeds: {}.", entry.title, entry.summary, entry.paper, entry.needs);
  cli.info().examples = {
      fmt::format("ssl-data fashion-mnist /usr/share/datasets/fashion-mnist | ssl-pretrain {} --profile small -o runs/{}", name, name),
      fmt::format("ssl-pretrain {} --profile small -o runs/{} cifar10.json | ssl-linear | ssl-report -o page.html", name, name)};
  if (!entry.cost.empty()) cli.info().purpose += fmt::format("\nCost of a step next to SimCLR's: {}.", entry.cost);

  std::optional<dist::Session> session;  // the last to go: it sees to it that the end of all others does not wait for ranks that are gone
  train::Run run;
  ToolOptions tool;
  // Which options there are depends on the method and its modifiers: these are read before the rest.
  core::Option("with", &tool.with, "", "").set_text(cli.peek("with"), "--with");
  train::choose_method(run, name, tool.with);
  const auto modifiers = std::exchange(tool.with, {});
  const auto* pairs = dynamic_cast<const train::PairMethod*>(run.network.get());
  tool.describe(cli.options(), entry, !modifiers.empty() || (pairs != nullptr && pairs->compares_any_pair()));
  run.describe(cli.options());
  const std::string profile = cli.peek("profile");
  cli.set_profile(train::profile_values(entry, profile), profile.empty() ? "published" : profile);
  cli.parse();
  if (tool.with != modifiers)
    core::fail(core::Exit::usage, "--config or the environment wants the modifiers '{}': name them on the command line (--with {})",
               fmt::join(tool.with, ","), fmt::join(tool.with, ","));

  if (tool.folder.empty()) core::fail(core::Exit::usage, "say where the run's files go: -o DIR");
  session.emplace(tool.session);
  run.ranks = session->ranks();
  session->run([&] { train_and_write(cli, run, tool, *session); });
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), pretrain); }
