// vos-segment: video object segmentation. `score` judges masks, whoever made them.
#include "core/tool.h"
#include "score/job.h"
#include "score/vos.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "vos-segment",
      .purpose =
          "Video object segmentation. score: region similarity J and boundary accuracy F of masks, as the official DAVIS program counts "
          "them, "
          "and FG-ARI and mIoU for the unsupervised task.\n"
          "PREDICTIONS is a folder of SEQUENCE/FRAME.png with indices as pixels, or a predictions manifest that names one.\n"
          "Where the official program is at fault: its decay is of the wrong frames over 256 frames a sequence; \"J decay\" follows it and "
          "\"J decay, corrected\" stands beside it. An index above what is allowed ends with code 65 here, with 0 there.",
      .usage = "vos-segment score --truth DIR [options] [PREDICTIONS|MANIFEST.json|-]",
      .examples = {"vos-segment score --truth DAVIS --set val results/ -o scores.json",
                   "vos-segment score --truth DAVIS --set val --task unsupervised proposals/ | ssl-report -o page.html",
                   "vos-segment score --truth DAVIS-2016 --single-object --sequences blackswan,libby results/"},
      .see_also = {"seg-parse", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::VosOptions>(line,
                                        [&](const auto& options, int threads) { return score::score_vos(options, line.input(), threads); });
  });
}
