// ssl-linear: judges a model by what its features are good for, from a model manifest to a metrics manifest.
#include "core/progress.h"
#include "core/tool.h"
#include "dist/session.h"
#include "manifest/manifest.h"
#include "tasks/model_input.h"
#include "tasks/probe.h"
#include "train/from_first.h"
#include "train/own_device.h"
#include "train/versions.h"

#include <nlohmann/json.hpp>

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {.name = "ssl-linear",
          .purpose =
              "Judges the features of a model: linear probe, weighted kNN, few labels, fine-tuning, each beside baselines, and writes a "
              "metrics manifest.",
          .usage = "ssl-linear [options] [MODEL.json|-]",
          .examples =
              {"ssl-linear runs/simclr/model.json --baseline pixels,untrained > metrics.json",
               "ssl-linear runs/dino/model.json --protocol few-labels --labels 100,1% --draws 10 -o probes/dino | ssl-report -o page.html",
               "ssl-linear runs/mae/model.json --protocol fine-tune --layer-decay 0.75 --fine-tune-epochs 50 -o probes/mae"},
          .see_also = {"ssl-pretrain", "ssl-embed", "ssl-report"},
          .versions = train::versions()};
}

/// Options that belong to the tool rather than to the probes.
struct ToolOptions {
  tasks::ModelInput input;
  std::string folder;
  bool provenance = true;
  dist::SessionOptions session;

  void describe(core::Options& o) {
    o.group("Input and output");
    input.describe(o);
    o.add("output", &folder, "folder of metrics.json and the features (default: 'linear' in the model's folder)")
        .letter('o')
        .metavar("DIR")
        .written()
        .runtime();
    o.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
    session.describe(o);
  }
};

void judge(core::CommandLine& cli, ToolOptions& tool, tasks::ProbeOptions& options, dist::Session& session) {
  const double begin = core::monotonic_seconds();
  train::check_alike(cli, session.ranks());
  tool.input.read(cli, session.ranks());
  const auto folder = std::filesystem::absolute(tool.folder.empty() ? tool.input.folder / "linear" : std::filesystem::path(tool.folder));
  train::open_own_device(session, options.device);
  const tasks::OutputFolder output(folder, "ssl-linear", session.ranks());
  manifest::Metrics metrics = tasks::probe(tool.input.model, tool.input.dataset, options, output, session.ranks());
  if (!session.ranks().first()) return;
  metrics.extra["config"] = cli.options().values(/*identity_only=*/true);
  metrics.inputs = tool.input.inputs;
  manifest::stamp(metrics, "ssl-linear", cli.argv(), core::monotonic_seconds() - begin, {.provenance = tool.provenance});
  manifest::emit(to_json(metrics, folder), folder / "metrics.json");
}

void linear(core::CommandLine& cli) {
  ToolOptions tool;
  tasks::ProbeOptions options;
  tool.describe(cli.options());
  options.describe(cli.options());
  cli.parse();
  dist::Session session(tool.session);
  session.run([&] { judge(cli, tool, options, session); });
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), linear); }
