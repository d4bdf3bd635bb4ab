#include "score/job.h"

#include "unit/support.h"

using namespace selfsight;
using selfsight::test::error_of;

TEST_CASE("a job writes its manifest, replaces it when run again, and touches nothing else") {
  const test::Folder folder;
  const std::string file = (folder / "scores.json").string();
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tool", "-o", file, "--no-provenance"});
    std::vector<char*> pointers;
    pointers.reserve(arguments.size());
    for (auto& argument : arguments) pointers.push_back(argument.data());
    core::CommandLine cli({.name = "tool"}, static_cast<int>(arguments.size()), pointers.data());
    score::Job job;
    job.describe(cli.options());
    cli.parse();
    job.start();
    CHECK(job.folder() == folder.path());
    manifest::Metrics metrics;
    metrics.rows = {{.name = "mAP", .value = 0.5, .protocol = {{"ranks", 10}}}};
    const test::Redirect quiet(STDOUT_FILENO, folder / "stdout");
    job.finish(cli, metrics);
  };
  run({"--threads", "3"});
  const std::string first = core::read_text(file);
  CHECK(manifest::read<manifest::Metrics>(file).rows.at(0).value == 0.5);
  run({});
  CHECK(core::read_text(file) == first);
  test::write_plainly(file, "my notes");
  error_of(core::Exit::cannot_create, [&] { run({}); });
  CHECK(core::read_text(file) == "my notes");
  run({"--force"});
  CHECK(core::read_text(file) == first);
}
