// ssl-plan: batches or mates of the samples of a split, made from features, for pre-training runs to follow.
#include "core/log.h"
#include "core/progress.h"
#include "core/tool.h"
#include "manifest/targets.h"
#include "tasks/sample_plan.h"
#include "train/tensors.h"
#include "train/versions.h"

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {.name = "ssl-plan",
          .purpose =
              "Plans for pre-training runs, from features. batches: which samples come together in a batch (ssl-pretrain METHOD "
              "--plan). mates: which others stand in for each sample (ssl-pretrain bingo --mates).",
          .usage = "ssl-plan batches|mates [options] -o PLAN.json [FEATURES.json|-]",
          .examples = {"ssl-embed runs/dae/model.json --split train -o codes | ssl-plan batches --batch 64 -o plan.json",
                       "ssl-plan batches --by random --batch 64 -o random.json codes/features.json",
                       "ssl-embed teacher/model.json --split train -o features | ssl-plan mates --per-sample 5 -o mates.json"},
          .see_also = {"ssl-embed", "ssl-pretrain"},
          .versions = train::versions()};
}

/// The frame of both verbs; `make` gives the plan from the features and the name of its payload.
template <class Options, class Make>
void run_verb(core::CommandLine& cli, Options options, const Make& make) {
  manifest::Output output;
  std::int64_t threads = 0;
  options.describe(cli.options());
  output.describe(cli.options(), "file of the plan manifest; its tables lie beside it");
  cli.options().add("threads", &threads, "of LibTorch; 0: all processors").range(0, 1024).runtime();
  cli.parse();
  if (!output.given()) core::fail(core::Exit::usage, "say where the plan goes: -o PLAN.json");
  output.check("plan");
  train::prepare_cpu(threads);
  const double begin = core::monotonic_seconds();
  const auto document = manifest::read_document(cli.input());
  const auto features = manifest::from_json<manifest::Features>(document.json, document.folder, document.origin);
  auto payload = output.file();
  payload.replace_extension(".safetensors");
  manifest::Plan plan = make(features, options, payload);
  std::string facts;
  for (const auto& [name, value] : plan.facts.items()) facts += fmt::format(", {} {}", name, value.dump());
  core::log_info("{}: {} samples by {}{}", output.file().string(), plan.count, plan.rule, facts);
  plan.inputs = {manifest::input_entry("features", document.origin, document.json)};
  manifest::stamp(plan, "ssl-plan", cli.argv(), core::monotonic_seconds() - begin, {.provenance = output.provenance()});
  manifest::emit(manifest::to_json(plan, output.folder()), output.file());
}

}  // namespace

int main(int argc, char** argv) {
  return core::run_tool(argc, argv, tool_info(), [](core::CommandLine& cli) {
    if (cli.take_verb({"batches", "mates"}) == "batches") return run_verb(cli, tasks::BatchesOptions{}, tasks::plan_batches);
    run_verb(cli, tasks::MatesOptions{}, tasks::plan_mates);
  });
}
