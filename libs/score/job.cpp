#include "score/job.h"

#include "core/memory.h"
#include "core/progress.h"
#include "core/threads.h"

namespace selfsight::score {

void Job::describe(core::Options& options) {
  options.group("Output and resources");
  output_.describe(options, "also write the metrics manifest to this file");
  options.add("subject", &subject_, "whose results these are, for pages that compare; default: what the input says, if anything")
      .metavar("NAME");
  options.add("threads", &threads_, "threads; 0: one per processor. The result does not depend on it").range(0, 1024).runtime();
  options.add("max-memory", &max_memory_, "most memory for data, such as 1500M; work that cannot be done in it is refused")
      .metavar("BYTES")
      .runtime();
}

void Job::start() {
  started_ = core::monotonic_seconds();
  core::bound_memory(core::parse_bytes(max_memory_, "max-memory"));
  output_.check(manifest::Metrics::kind);
}

int Job::threads() const { return threads_ > 0 ? static_cast<int>(threads_) : core::default_threads(); }

manifest::fs::path Job::folder() const { return output_.folder(); }

void Job::finish(core::CommandLine& cli, manifest::Metrics metrics) const {
  if (!subject_.empty())
    for (manifest::Row& row : metrics.rows) row.subject = subject_;
  metrics.extra["config"] = cli.options().values(/*identity_only=*/true);
  manifest::stamp(metrics, cli.info().name, cli.argv(), core::monotonic_seconds() - started_, {.provenance = output_.provenance()});
  manifest::emit(manifest::to_json(metrics, folder()), output_.file());
}

}  // namespace selfsight::score
