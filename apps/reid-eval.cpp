// reid-eval: person re-identification. `score` tells what features are worth by the field's protocols.
#include "core/tool.h"
#include "score/job.h"
#include "score/reid.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "reid-eval",
      .purpose =
          "score: CMC and mAP of person re-identification from features of queries and gallery, by Market-1501's protocol or CUHK03's "
          "repeated "
          "single-gallery-shot one, with k-reciprocal re-ranking where asked for. Ties count against the query. Queries without a match "
          "are left "
          "out and counted.",
      .usage = "reid-eval score --query FILE --gallery FILE [options]",
      .examples = {"reid-eval score --query query.json --gallery gallery.json -o reid.json | ssl-report -o reid.html",
                   "reid-eval score --query q.npy --query-items q.txt --gallery g.npy --gallery-items g.txt --metric cosine --rerank",
                   "reid-eval score --query all.safetensors --same-camera keep --no-special-identities"},
      .see_also = {"ssl-embed", "vtr-retrieve", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::ReidOptions>(line, [&](const auto& options, int threads) {
      (void)line.positionals(0);
      return score::score_reid(options, threads);
    });
  });
}
