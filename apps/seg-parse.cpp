// seg-parse: semantic segmentation. `score` judges label images, whoever made them.
#include "core/tool.h"
#include "score/job.h"
#include "score/seg.h"

namespace {

using namespace selfsight;

void score_verb(core::CommandLine& line) {
  score::Job job;
  score::SegOptions options;
  options.describe(line.options());
  job.describe(line.options());
  line.parse();
  job.start();
  job.finish(line, score::score_seg(options, line.input(), job.threads()));
}

}  // namespace

int main(int argc, char** argv) {
  const core::ToolInfo info = {
      .name = "seg-parse",
      .purpose =
          "Semantic segmentation. score: mIoU, pixel accuracy, mean class accuracy, frequency-weighted IoU and IoU of each class.\n"
          "PREDICTIONS is a folder of PNG files with class indices as pixels, named as those of the truth, or a predictions manifest that "
          "names "
          "one.",
      .usage = "seg-parse score --truth DIR --classes N [options] [PREDICTIONS|MANIFEST.json|-]",
      .examples =
          {"seg-parse score --truth camvid/testannot --classes 11 --void 11 results/ -o scores.json",
           "seg-parse score --truth SegmentationClass --classes 21 --images JPEGImages results/ | ssl-report -o page.html",
           "seg-parse score --truth gtFine/val --truth-suffix _gtFine_labelTrainIds --prediction-suffix _pred --classes 19 results/"},
      .see_also = {"vos-segment", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    const std::string verb = line.take_word();
    if (verb == "score") return score_verb(line);
    line.parse();
    if (verb.empty()) core::fail(core::Exit::usage, "give a verb: score (seg-parse --help)");
    core::fail(core::Exit::usage, "unknown verb '{}' (known: score)", verb);
  });
}
