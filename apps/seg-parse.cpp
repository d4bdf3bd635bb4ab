// seg-parse: semantic segmentation. `score` judges label images, whoever made them.
#include "core/tool.h"
#include "score/job.h"
#include "score/seg.h"

int main(int argc, char** argv) {
  using namespace selfsight;
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
    line.take_verb({"score"});
    score::run_score<score::SegOptions>(line,
                                        [&](const auto& options, int threads) { return score::score_seg(options, line.input(), threads); });
  });
}
