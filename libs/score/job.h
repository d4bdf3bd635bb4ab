// What every `score` verb has beside its own options: where the manifest goes, threads, a bound on the memory.
//
// A verb is a pair libs/score/TASK.h/.cpp: an options struct with describe(), and a function from it to a metrics manifest. It reads with
// data and its own readers, counts with metrics, and gives the same bytes for any number of threads. The main composes the two:
//   score::Job job; VosOptions options; options.describe(cli.options()); job.describe(cli.options()); cli.parse(); job.start();
//   job.finish(cli, score_vos(options, job.threads()));
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

}  // namespace selfsight::score
