// vtr-retrieve: retrieval between texts and videos or images. `score` tells what features, or a similarity matrix, are worth.
#include "core/tool.h"
#include "score/job.h"
#include "score/vtr.h"

int main(int argc, char** argv) {
  using namespace selfsight;
  const core::ToolInfo info = {
      .name = "vtr-retrieve",
      .purpose =
          "score: recall at k, median and mean rank, text to video and video to text, from features (by cosine) or a similarity matrix. "
          "With "
          "several captions a video, video to text is given twice: all captions ranked, the first right one counting; and videos ranked by "
          "their "
          "best caption, as CLIP4Clip has it. Ties count against the query, and a query counts once: CLIP4Clip's program counts each tied "
          "place "
          "as a further query.",
      .usage = "vtr-retrieve score --text FILE --video FILE | --similarity FILE [options]",
      .examples =
          {"vtr-retrieve score --text text.npy --video video.npy --captions MSRVTT_JSFUSION_test.csv -o vtr.json | ssl-report -o vtr.html",
           "vtr-retrieve score --similarity sim.npy --dual-softmax --temperature 0.01"},
      .see_also = {"reid-eval", "ssl-embed", "ssl-report"},
      .versions = ""};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    line.take_verb({"score"});
    score::run_score<score::VtrOptions>(line, [&](const auto& options, int threads) {
      (void)line.positionals(0);
      return score::score_vtr(options, threads);
    });
  });
}
