// ssl-embed: features of any split by a model, as safetensors with a manifest.
#include "core/progress.h"
#include "core/tool.h"
#include "manifest/manifest.h"
#include "tasks/model_input.h"
#include "tasks/probe_subject.h"
#include "train/versions.h"

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {
      .name = "ssl-embed",
      .purpose = "Computes the features of a split with a pre-trained model, and writes a features manifest.",
      .usage = "ssl-embed [options] [MODEL.json|-]",
      .examples =
          {"ssl-embed runs/simclr/model.json --split test -o features/simclr > features.json",
           "ssl-embed runs/dino/model.json --dataset cifar10.json --split test --layer block-8 -o features/dino | ssl-report -o page.html"},
      .see_also = {"ssl-pretrain", "ssl-linear", "ssl-report"},
      .versions = train::versions()};
}

struct EmbedToolOptions {
  tasks::ModelInput input;
  tasks::BadPolicy bad;
  std::string split = "test", layer = "pooled", folder, device = "cpu";
  std::int64_t batch = 256, workers = 0, threads = 0;
  bool provenance = true;

  void describe(core::Options& o) {
    o.add("split", &split, "split to embed").metavar("NAME");
    input.describe(o);
    o.add("layer", &layer, "pooled, map, or a tap such as layer3 or block-11").metavar("NAME");
    bad.describe(o);
    o.add("output", &folder, "folder of the features; one split and layer each").letter('o').metavar("DIR").written().runtime();
    o.add("device", &device, "cpu, cuda or cuda:N").runtime();
    o.add("batch", &batch, "images at a time").range(1, 1 << 20).runtime();
    o.add("workers", &workers, "that load images; 0: one per processor").range(0, 4096).runtime();
    o.add("threads", &threads, "of LibTorch; 0: all processors").range(0, 4096).runtime();
    o.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  }
};

/// Features of another split or layer are not this command's to replace.
void refuse_others(const std::filesystem::path& file, const EmbedToolOptions& options) {
  if (!std::filesystem::exists(file)) return;
  const auto there = manifest::read<manifest::Features>(file.string());
  if (there.split != options.split || there.layer != options.layer)
    core::fail(core::Exit::cannot_create, "{}: holds the features of split '{}', layer '{}'; choose another folder with -o", file.string(),
               there.split, there.layer);
}

void embed(core::CommandLine& cli) {
  EmbedToolOptions options;
  options.describe(cli.options());
  cli.parse();
  const std::string input = cli.input();
  if (options.folder.empty()) core::fail(core::Exit::usage, "say where the features go: -o DIR");
  const double begin = core::monotonic_seconds();

  tasks::ModelInput& given = options.input;
  given.read(input);
  train::prepare_cpu(options.threads);
  const tasks::Subject subject = tasks::model_subject(given.model, options.layer);
  tasks::check_layer(subject);
  const tasks::OpenSplit split = tasks::open_split(given.dataset, options.split, subject, options.bad);
  const tasks::EmbedRun run{train::open_device(options.device), options.batch, options.workers};
  const auto folder = std::filesystem::absolute(options.folder);
  tasks::take_folder(folder, "ssl-embed");
  refuse_others(folder / "features.json", options);
  const auto file = folder / "features.safetensors";
  manifest::Features features = tasks::save_features(subject, split, tasks::embed_split(subject, split, run), given.dataset, file);
  features.inputs = given.inputs;
  if (auto left_out = tasks::left_out_json({&split}); !left_out.empty()) features.extra["bad_items"] = std::move(left_out);
  manifest::stamp(features, "ssl-embed", cli.argv(), core::monotonic_seconds() - begin, {.provenance = options.provenance});
  manifest::emit(to_json(features, folder), folder / "features.json");
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), embed); }
