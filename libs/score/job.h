// What every `score` verb has beside its own options: where the manifest goes, threads, a bound on the memory.
//
// A verb is a pair libs/score/TASK.h/.cpp: an options struct with describe(), and a function from it to a metrics manifest. It reads with
// data and its own readers, counts with metrics, ends with a headline, and gives the same bytes for any number of threads. The main
// composes the two:
//   line.take_verb({"score"});
//   score::run_score<VosOptions>(line, [&](const auto& options, int threads) { return score_vos(options, line.input(), threads); });
#pragma once

#include "core/tool.h"
#include "manifest/targets.h"

#include <string>

namespace selfsight::score {

class Job {
 public:
  /// --output, --force, --provenance, --threads, --max-memory.
  void describe(core::Options& options);
  /// After parse(): puts the memory bound in force and starts the clock. Errors: usage; cannot_create for an --output that is not ours to
  /// replace.
  void start();
  [[nodiscard]] int threads() const;
  /// The folder that payload paths of the manifest are relative to: that of --output, else the working folder.
  [[nodiscard]] manifest::fs::path folder() const;
  /// Names the rows by --subject where given, stamps the manifest, adds the configuration, writes it to --output where given, and prints
  /// it.
  void finish(core::CommandLine& cli, manifest::Metrics metrics) const;

 private:
  manifest::Output output_;
  std::string max_memory_;
  std::string subject_;
  std::int64_t threads_ = 0;
  double started_ = 0;
};

/// A `score` verb from the command line to the manifest. `score`: from its options and a number of threads to a metrics manifest.
template <class Options, class Score>
void run_score(core::CommandLine& line, const Score& score) {
  Options options;
  Job job;
  options.describe(line.options());
  job.describe(line.options());
  line.parse();
  job.start();
  job.finish(line, score(options, job.threads()));
}

}  // namespace selfsight::score
