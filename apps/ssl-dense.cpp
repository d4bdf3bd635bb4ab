// ssl-dense: judges a model by its dense features. `segment` predicts classes of pixels, `match` looks spots of an image up again.
#include "core/progress.h"
#include "core/tool.h"
#include "manifest/targets.h"
#include "score/seg.h"
#include "tasks/dense_match.h"
#include "tasks/dense_segment.h"
#include "tasks/model_input.h"
#include "train/versions.h"

using namespace selfsight;

namespace {

core::ToolInfo tool_info() {
  return {
      .name = "ssl-dense",
      .purpose =
          "Judges the feature maps of a model, frozen.\n"
          "segment: a linear classifier of cells is trained on labelled images and predicts the class of every pixel of other images; "
          "the predictions manifest is what seg-parse score reads.\n"
          "match: for each cell of a view, is the most similar cell of another view of the same image one that shows the same spot? A "
          "metrics manifest, with what guessing would reach.\n"
          "--weights untrained judges the same network with random weights, as a baseline.",
      .usage = "ssl-dense segment|match [options] [MODEL.json|-]",
      .examples = {"ssl-dense segment runs/pixpro/model.json --images camvid/train --labels camvid/trainannot --test camvid/test --classes "
                   "11 --void 11 -o dense | seg-parse score --truth camvid/testannot --classes 11 --void 11",
                   "ssl-dense match runs/pixpro/model.json --split test --layer layer3 -o match.json",
                   "ssl-dense match runs/pixpro/model.json --weights untrained | ssl-report -o page.html"},
      .see_also = {"ssl-pretrain", "ssl-linear", "seg-parse", "ssl-report"},
      .versions = train::versions()};
}

void segment_verb(core::CommandLine& line) {
  tasks::SegmentOptions options;
  std::string where;
  bool provenance = true;
  options.describe(line.options());
  line.options().group("Output");
  line.options()
      .add("output", &where, "folder of predictions.json and of the label images, in a folder named after the method")
      .letter('o')
      .metavar("DIR")
      .written()
      .runtime();
  line.options().add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  line.parse();
  const std::string input = line.input();
  if (where.empty()) core::fail(core::Exit::usage, "say where the predictions go: -o DIR");
  options.check();
  const double begin = core::monotonic_seconds();

  const manifest::Document document = manifest::read_document(input);
  const auto folder = std::filesystem::absolute(where);
  const auto model = manifest::from_json<manifest::Model>(document.json, document.folder, document.origin);
  const tasks::OutputFolder output(folder, "ssl-dense");
  const tasks::Segmented made = tasks::segment(model, options, output);
  manifest::Predictions predictions;
  predictions.task = score::seg_task;
  predictions.data.path = made.folder;
  predictions.extra = {{"model", made.model}, {"protocol", made.protocol}, {"config", line.options().values(/*identity_only=*/true)}};
  predictions.inputs = {manifest::input_entry("model", document.origin, document.json)};
  manifest::stamp(predictions, "ssl-dense", line.argv(), core::monotonic_seconds() - begin, {.provenance = provenance});
  manifest::emit(to_json(predictions, folder), folder / "predictions.json");
}

void match_verb(core::CommandLine& line) {
  tasks::ModelInput given;
  tasks::MatchOptions options;
  manifest::Output output;
  given.describe(line.options());
  options.describe(line.options());
  line.options().group("Output");
  output.describe(line.options(), "also write the metrics manifest to this file");
  line.parse();
  output.check(manifest::Metrics::kind);
  const double begin = core::monotonic_seconds();

  given.read(line);
  manifest::Metrics metrics = tasks::match_cells(given.model, given.dataset, options);
  metrics.extra["config"] = line.options().values(/*identity_only=*/true);
  metrics.inputs = given.inputs;
  manifest::stamp(metrics, "ssl-dense", line.argv(), core::monotonic_seconds() - begin, {.provenance = output.provenance()});
  manifest::emit(to_json(metrics, output.folder()), output.file());
}

}  // namespace

int main(int argc, char** argv) {
  return core::run_tool(argc, argv, tool_info(), [](core::CommandLine& line) {
    line.take_verb({"segment", "match"}) == "segment" ? segment_verb(line) : match_verb(line);
  });
}
