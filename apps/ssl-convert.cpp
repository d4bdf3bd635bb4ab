// ssl-convert: weights of other toolkits, from files of torch.save or of safetensors, as a model of ours; and any model as TorchScript.
#include "core/log.h"
#include "core/progress.h"
#include "core/tool.h"
#include "tasks/convert.h"
#include "tasks/output_folder.h"
#include "tasks/torchscript.h"
#include "train/versions.h"

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {
      .name = "ssl-convert",
      .purpose =
          "Makes a model manifest of weights that another toolkit saved (.pth, .pt, .safetensors), without Python. Keys of torchvision "
          "and timm are known, and\n"
          "those of the releases of DINO, MoCo, SwAV, MAE, OBoW and of lightly, whatever stands before them. What a .pth file asks to "
          "be run is never run.\n"
          "The other way, --torchscript writes a model's network as a file that PyTorch and LibTorch run without this toolkit. For the "
          "weights alone no program is needed:\n"
          "weights.safetensors of every model has torchvision's or timm's keys.",
      .usage = "ssl-convert --arch NAME [options] WEIGHTS, or ssl-convert --torchscript FILE [MODEL.json|-]",
      .examples = {"ssl-convert --arch vit-small --image 224 --method dino dino_deitsmall16_pretrain.pth -o models/dino > dino.json",
                   "ssl-convert --arch resnet50 --method moco --dry-run moco_v2_800ep_pretrain.pth.tar",
                   "ssl-convert --arch resnet18 resnet18.safetensors -o models/resnet18 | ssl-linear --dataset cifar10.json --protocol knn",
                   "ssl-convert --torchscript simclr.pt runs/simclr/model.json > /dev/null"},
      .see_also = {"ssl-linear", "ssl-embed", "ssl-report"},
      .versions = train::versions()};
}

/// The manifest goes on as it came, with the TorchScript file named in it.
void from_manifest(const core::CommandLine& cli, const std::string& file, const tasks::TorchscriptOptions& script) {
  if (!script.given())
    core::fail(core::Exit::usage, "{}: is a manifest and no weights: say with --torchscript FILE what to make of it", file);
  for (const std::string& name : cli.given())
    if (name != "torchscript" && name != "force" && name != "config" && name != "quiet" && name != "verbose")
      core::fail(core::Exit::usage, "--{}: is for weights of other toolkits, and has no effect on a model manifest, which {} is", name,
                 file);
  const manifest::Document document = manifest::read_document(file);
  auto model = manifest::from_json<manifest::Model>(document.json, document.folder, document.origin);
  for (const std::filesystem::path& own : {std::filesystem::path(file), model.weights.path})
    if (std::error_code none; std::filesystem::equivalent(own, script.file, none))
      core::fail(core::Exit::cannot_create, "--torchscript {}: is a file of the model itself", script.file);
  tasks::write_torchscript(model, script);
  manifest::emit(to_json(model, document.folder), "");
}

void run(core::CommandLine& cli) {
  tasks::ConvertOptions options;
  tasks::TorchscriptOptions script;
  std::string folder;
  bool provenance = true;
  options.describe(cli.options());
  cli.options().add("output", &folder, "folder of the model").letter('o').metavar("DIR").written().runtime();
  script.describe(cli.options());
  cli.options().add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  cli.parse();
  if (cli.positionals(1).empty() && !script.given()) core::fail(core::Exit::usage, "give the file with the weights");
  const std::string file = cli.input();
  if (script.given()) script.check();
  if (tasks::looks_like_manifest(file)) return from_manifest(cli, file, script);
  if (script.given() && options.dry_run) core::fail(core::Exit::usage, "--torchscript: a --dry-run writes nothing");
  if (folder.empty() && script.given())
    core::fail(core::Exit::usage, "{}: is no model manifest (a run's model.json); of weights, say with -o DIR where the model goes", file);
  if (folder.empty() && !options.dry_run) core::fail(core::Exit::usage, "say with -o DIR where the model goes, or ask for a --dry-run");
  options.check();
  const double begin = core::monotonic_seconds();
  const tasks::ForeignWeights weights = tasks::read_foreign(file, options);
  for (const std::string& line : tasks::told(weights)) core::log_info("{}: {}", file, line);
  if (!weights.fit.complete()) core::fail(core::Exit::bad_data, "{}: does not fit {}", file, options.backbone.name);
  if (options.dry_run) return;
  const auto target = std::filesystem::absolute(folder);
  const tasks::OutputFolder output(target, "ssl-convert");
  output.take();
  manifest::Model model = tasks::convert(weights, options, file, target);
  if (script.given()) tasks::write_torchscript(model, script);
  manifest::stamp(model, "ssl-convert", cli.argv(), core::monotonic_seconds() - begin, {.provenance = provenance});
  manifest::emit(to_json(model, target), target / "model.json");
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), run); }
