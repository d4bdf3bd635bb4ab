// lvis-detect: detection with long tails; so far scores results against ground truth.
#include "core/tool.h"
#include "score/detect.h"
#include "score/job.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "lvis-detect",
      .purpose =
          "Scores detections, of any program, by the protocols of LVIS (federated AP; APr, APc, APf) and COCO: boxes, masks, keypoints. "
          "Reads the "
          "official JSON files of any size in bounded memory. The figures are those of the official programs (lvis 0.5.3, pycocotools "
          "2.0.11), edge "
          "cases included: LVIS keeps the best 300 results of an image over all categories, COCO 100 (keypoints 20) per image and "
          "category; equal scores "
          "count in the order of image ids, then of the file; LVIS leaves out what has no area; results of categories that the ground "
          "truth lacks take no "
          "part; where a figure has no ground truth (-1 there) it is null.\n"
          "Three of their rules are plain faults, and --corrected gives the figures without them under names of their own:\n"
          "  1. the areas of results, for APs, APm and APl, come from each bbox where the first result has one, whatever is scored\n"
          "  2. a ground truth with id 0 uses up its match, but the result stays wrong\n"
          "  3. a perfect precision is 0.9999999999999998\n"
          "They stumble over an empty list of results, which is AP 0 here, and accept NaN as a score, which is refused here.",
      .usage = "lvis-detect score --ground-truth FILE [options] [RESULTS.json|PREDICTIONS.json|-]",
      .examples = {"lvis-detect score --ground-truth lvis_v1_val.json --type mask results.json > metrics.json",
                   "lvis-detect score --ground-truth person_keypoints_val2017.json --type keypoints results.json",
                   "lvis-detect score -g instances_val2017.json --max-memory 1G results.json | ssl-report -o page.html > metrics.json"},
      .see_also = {"ssl-report", "ssl-data"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::DetectOptions>(
        line, [&](const auto& options, int threads) { return score::score_detections(options, line.input(), threads); });
  });
}
