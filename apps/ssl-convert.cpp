// ssl-convert: weights of other toolkits, from files of torch.save or of safetensors, as a model of ours.
#include "core/log.h"
#include "core/progress.h"
#include "core/tool.h"
#include "tasks/convert.h"
#include "tasks/probe_subject.h"
#include "train/versions.h"

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {.name = "ssl-convert",
          .purpose =
              "Makes a model manifest of weights that another toolkit saved (.pth, .pt, .safetensors), without Python. Keys of torchvision "
              "and timm are known, and\n"
              "those of the releases of DINO, MoCo, SwAV, MAE, OBoW and of lightly, whatever stands before them. What a .pth file asks to "
              "be run is never run.\n"
              "The other way needs no program: weights.safetensors of every model has torchvision's or timm's keys.",
          .usage = "ssl-convert --arch NAME [options] WEIGHTS",
          .examples =
              {"ssl-convert --arch vit-small --image 224 --method dino dino_deitsmall16_pretrain.pth -o models/dino > dino.json",
               "ssl-convert --arch resnet50 --method moco --dry-run moco_v2_800ep_pretrain.pth.tar",
               "ssl-convert --arch resnet18 resnet18.safetensors -o models/resnet18 | ssl-linear --dataset cifar10.json --protocol knn"},
          .see_also = {"ssl-linear", "ssl-embed", "ssl-report"},
          .versions = train::versions()};
}

void run(core::CommandLine& cli) {
  tasks::ConvertOptions options;
  std::string folder;
  bool provenance = true;
  options.describe(cli.options());
  cli.options().add("output", &folder, "folder of the model").letter('o').metavar("DIR").written().runtime();
  cli.options().add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  cli.parse();
  const std::vector<std::string> files = cli.positionals(1);
  if (files.empty()) core::fail(core::Exit::usage, "give the file with the weights");
  if (folder.empty() && !options.dry_run) core::fail(core::Exit::usage, "say with -o DIR where the model goes, or ask for a --dry-run");
  options.check();
  const double begin = core::monotonic_seconds();
  const tasks::ForeignWeights weights = tasks::read_foreign(files[0], options);
  for (const std::string& line : tasks::told(weights)) core::log_info("{}: {}", files[0], line);
  if (!weights.fit.complete()) core::fail(core::Exit::bad_data, "{}: does not fit {}", files[0], options.backbone.name);
  if (options.dry_run) return;
  const auto target = std::filesystem::absolute(folder);
  tasks::take_folder(target, "ssl-convert");
  manifest::Model model = tasks::convert(weights, options, files[0], target);
  manifest::stamp(model, "ssl-convert", cli.argv(), core::monotonic_seconds() - begin, {.provenance = provenance});
  manifest::emit(to_json(model, target), target / "model.json");
}

}  // namespace

int main(int argc, char** argv) { return core::run_tool(argc, argv, tool_info(), run); }
