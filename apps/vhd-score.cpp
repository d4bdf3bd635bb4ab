// vhd-score: video highlight detection. `score` tells how well clip scores find what people marked.
#include "core/tool.h"
#include "score/highlight.h"
#include "score/job.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "vhd-score",
      .purpose =
          "score: highlight mAP per domain (YouTube Highlights), top-5 mAP (TVSum), mAP and HIT@1 by query (QVHighlights). A video without "
          "a positive counts 0, as in the usual programs; equal scores stand in the order of the clips. AP is a trapezoid here unless told "
          "otherwise: scikit-learn's steps give other numbers.",
      .usage = "vhd-score score --truth FILE --predictions FILE [options]",
      .examples = {"vhd-score score --truth youtube_valid.jsonl --predictions scores.jsonl -o vhd.json | ssl-report -o vhd.html",
                   "vhd-score score --truth tvsum_annotations_50.json --videos tvsum_val_sfc.jsonl --predictions scores.jsonl",
                   "vhd-score score --truth highlight_val_release.jsonl --predictions hl_val_submission.jsonl"},
      .see_also = {"vtr-retrieve", "sts-score", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::HighlightOptions>(line, [&](const auto& options, int /*threads*/) {
      (void)line.positionals(0);
      return score::score_highlights(options);
    });
  });
}
