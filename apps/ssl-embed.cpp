// ssl-embed: features of any split by a model, as safetensors with a manifest; in shards too, which `merge` puts together.
#include "core/progress.h"
#include "core/tool.h"
#include "dist/session.h"
#include "manifest/manifest.h"
#include "tasks/embed_shards.h"
#include "tasks/model_input.h"
#include "tasks/output_folder.h"
#include "tasks/probe_subject.h"
#include "train/from_first.h"
#include "train/own_device.h"
#include "train/versions.h"

#include <limits>

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {
      .name = "ssl-embed",
      .purpose =
          "Computes the features of a split with a pre-trained model, and writes a features manifest. With --shard I/N only those "
          "of one of N parts of the split; merge makes of all the parts what one run over the whole split writes.",
      .usage = "ssl-embed [options] [MODEL.json|-]; ssl-embed merge -o DIR PART.json PART.json ...",
      .examples =
          {"ssl-embed runs/simclr/model.json --split test -o features/simclr > features.json",
           "ssl-embed runs/dino/model.json --dataset cifar10.json --split test --layer block-8 -o features/dino | ssl-report -o page.html",
           "ssl-embed runs/moco/model.json --split train --shard 3/16 -o parts/3   # and so on, one job each",
           "ssl-embed merge -o features/moco parts/*/features.json"},
      .see_also = {"ssl-pretrain", "ssl-linear", "ssl-report"},
      .versions = train::versions()};
}

struct EmbedToolOptions {
  tasks::ModelInput input;
  tasks::BadPolicy bad;
  std::string split = "test", layer = "pooled", shard, folder, device = "cpu";
  std::int64_t batch = 64, workers = 0, threads = 0;
  bool provenance = true;
  dist::SessionOptions session;

  void describe(core::Options& o) {
    o.add("split", &split, "split to embed").metavar("NAME");
    input.describe(o);
    o.add("layer", &layer, "one of pooled, map, taps such as layer3 or block-11, a head up to a layer (projector-1)").metavar("NAME");
    o.add("shard", &shard, "embed only part I (0 to N-1) of N, contiguous and as equal as can be").metavar("I/N");
    bad.describe(o);
    o.add("output", &folder, "folder of the features; one split and layer each").letter('o').metavar("DIR").written().runtime();
    o.add("device", &device, "cpu, cuda or cuda:N").runtime();
    o.add("batch", &batch, "images at a time; the last are filled up to as many").range(1, 1 << 20).runtime();
    o.add("workers", &workers, "that load images; 0: one per processor").range(0, 4096).runtime();
    o.add("threads", &threads, "of LibTorch; 0: all processors").range(0, 4096).runtime();
    o.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
    session.describe(o);
  }
};

/// "shard 3/16 of split 'test', layer 'pooled'"
std::string told(const std::string& split, const std::string& layer, const std::optional<manifest::Shard>& shard) {
  return fmt::format("{}split '{}', layer '{}'", shard ? fmt::format("shard {}/{} of ", shard->index, shard->count) : "", split, layer);
}

/// Takes it. Features of another split, layer or shard in it are not this command's to replace.
void take(const tasks::OutputFolder& output, const std::string& wanted) {
  output.take();
  const auto file = output.path() / "features.json";
  if (!std::filesystem::exists(file)) return;
  const auto document = manifest::read_document(file.string());
  const auto there = manifest::features_or_part(document.json, document.folder, document.origin);
  if (const std::string found = told(there.split, there.layer, there.shard); found != wanted)
    core::fail(core::Exit::cannot_create, "{}: holds the features of {}; choose another folder with -o", file.string(), found);
}

void embed(core::CommandLine& cli, EmbedToolOptions& options, dist::Session& session) {
  std::optional<manifest::Shard> shard;
  if (!options.shard.empty()) shard = tasks::parse_shard(options.shard);
  const double begin = core::monotonic_seconds();

  tasks::ModelInput& given = options.input;
  train::check_alike(cli, session.ranks());
  given.read(cli, session.ranks());
  train::prepare_cpu(options.threads);
  const tasks::Subject subject = tasks::model_subject(given.model, options.layer);
  tasks::check_layer(subject);
  const tasks::OpenSplit split = tasks::open_split(given.dataset, options.split, subject, options.bad, shard);
  const tasks::EmbedRun run{train::open_own_device(session, options.device), options.batch, options.workers, /*fill=*/true,
                            session.ranks()};
  const auto folder = std::filesystem::absolute(options.folder), file = folder / "features.safetensors";
  const tasks::OutputFolder output(folder, "ssl-embed", run.ranks);
  if (run.ranks.first()) take(output, told(options.split, options.layer, shard));
  const train::Embedded embedded = tasks::embed_split(subject, split, run);
  if (!run.ranks.first()) return;
  manifest::Features features = tasks::save_features(subject, split, embedded, given.dataset, file);
  features.inputs = given.inputs;
  if (auto left_out = tasks::left_out_json({&split}); !left_out.empty()) features.extra["bad_items"] = std::move(left_out);
  manifest::stamp(features, "ssl-embed", cli.argv(), core::monotonic_seconds() - begin, {.provenance = options.provenance});
  manifest::emit(to_json(features, folder), folder / "features.json");
}

void embed(core::CommandLine& cli) {
  EmbedToolOptions options;
  options.describe(cli.options());
  cli.parse();
  if (options.folder.empty()) core::fail(core::Exit::usage, "say where the features go: -o DIR");
  if (options.layer.find(',') != std::string::npos) core::fail(core::Exit::usage, "--layer {}: takes one layer", options.layer);
  dist::Session session(options.session);
  session.run([&] { embed(cli, options, session); });
}

void merge(core::CommandLine& cli) {
  std::string output;
  bool provenance = true;
  cli.options().add("output", &output, "folder of the features of the whole split").letter('o').metavar("DIR").written().runtime();
  cli.options().add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  cli.parse();
  if (output.empty()) core::fail(core::Exit::usage, "say where the features go: -o DIR");
  const double begin = core::monotonic_seconds();
  const tasks::Shards shards(cli.positionals(std::numeric_limits<std::size_t>::max()));
  const auto folder = std::filesystem::absolute(output);
  const tasks::OutputFolder out(folder, "ssl-embed");
  take(out, told(shards.split(), shards.layer(), {}));
  manifest::Features features = shards.merge(folder / "features.safetensors");
  manifest::stamp(features, "ssl-embed", cli.argv(), core::monotonic_seconds() - begin, {.provenance = provenance});
  manifest::emit(to_json(features, folder), folder / "features.json");
}

}  // namespace

int main(int argc, char** argv) {
  return core::run_tool(argc, argv, tool_info(), [](core::CommandLine& cli) {
    if (cli.argv().size() < 2 || cli.argv()[1] != "merge") return embed(cli);
    cli.take_word();
    merge(cli);
  });
}
