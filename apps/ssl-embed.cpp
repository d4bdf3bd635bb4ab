// ssl-embed: features of any split by a model, as safetensors with a manifest.
#include "core/progress.h"
#include "core/threads.h"
#include "core/tool.h"
#include "manifest/manifest.h"
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
  std::string split = "test", dataset, layer = "pooled", folder, device = "cpu";
  std::int64_t batch = 256, workers = 0, threads = 0;
  bool provenance = true;

  void describe(core::Options& o) {
    o.add("split", &split, "split to embed").metavar("NAME");
    o.add("dataset", &dataset, "data set manifest, when it is not the one that the model was trained on").metavar("FILE");
    o.add("layer", &layer, "pooled, map, or a tap such as layer3 or block-11").metavar("NAME");
    o.add("output", &folder, "folder of the features").letter('o').metavar("DIR").runtime();
    o.add("device", &device, "cpu, cuda or cuda:N").runtime();
    o.add("batch", &batch, "images at a time").range(1, 1 << 20).runtime();
    o.add("workers", &workers, "that load images; 0: one per processor").range(0, 4096).runtime();
    o.add("threads", &threads, "of LibTorch; 0: all processors").range(0, 4096).runtime();
    o.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  }
};

void embed(core::CommandLine& cli) {
  EmbedToolOptions options;
  options.describe(cli.options());
  cli.parse();
  const std::string input = cli.input();
  if (options.folder.empty()) core::fail(core::Exit::usage, "say where the features go: -o DIR");
  const double begin = core::monotonic_seconds();

  const manifest::Document document = manifest::read_document(input);
  const auto model = manifest::from_json<manifest::Model>(document.json, document.folder, document.origin);
  std::vector<manifest::Json> inputs{manifest::input_entry("model", document.origin, document.json)};
  manifest::Dataset dataset = model.dataset;
  if (!options.dataset.empty()) {
    const manifest::Document other = manifest::read_document(options.dataset);
    dataset = manifest::from_json<manifest::Dataset>(other.json, other.folder, other.origin);
    inputs.push_back(manifest::input_entry("dataset", other.origin, other.json));
  }

  at::set_num_threads(static_cast<int>(options.threads > 0 ? options.threads : core::default_threads()));
  const tasks::Subject subject = tasks::model_subject(model, options.layer);
  const tasks::OpenSplit split = tasks::open_split(dataset, options.split, subject);
  const tasks::EmbedRun run{train::open_device(options.device), options.batch, options.workers};
  const auto folder = std::filesystem::absolute(options.folder);
  tasks::take_folder(folder, "ssl-embed");
  const auto file = folder / "features.safetensors";
  manifest::Features features = tasks::save_features(subject, split, tasks::embed_split(subject, split, run), dataset, file);
  features.inputs = inputs;
  manifest::stamp(features, "ssl-embed", cli.argv(), core::monotonic_seconds() - begin, {.provenance = options.provenance});
  manifest::emit(to_json(features, folder), folder / "features.json");
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), embed); }
