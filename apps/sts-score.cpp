// sts-score: semantic similarity of sentences. `score` correlates predicted similarities with those that people gave.
#include "core/tool.h"
#include "score/job.h"
#include "score/sts.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "sts-score",
      .purpose =
          "score: Spearman (equal values share their mean rank) and Pearson correlation of predicted similarities with people's scores, on "
          "the STS "
          "benchmark or any such list. Where a series is constant they are not defined: null, with the reason.",
      .usage = "sts-score score --truth FILE --predictions FILE | --first FILE --second FILE [options]",
      .examples = {"sts-score score --truth stsb-en-test.csv --predictions cosines.txt -o sts.json | ssl-report -o sts.html",
                   "sts-score score --truth stsb-en-dev.csv --first a.npy --second b.npy"},
      .see_also = {"ssl-embed", "vtr-retrieve", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::StsOptions>(line, [&](const auto& options, int threads) {
      (void)line.positionals(0);
      return score::score_sts(options, threads);
    });
  });
}
