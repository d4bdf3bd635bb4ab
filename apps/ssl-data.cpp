// ssl-data: describes what lies on disk as a data set manifest, indexes tar shards, and checks, splits, shards, shows and times data sets.
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/tool.h"
#include "data/bench.h"
#include "data/check.h"
#include "data/shards.h"
#include "data/show.h"
#include "data/subset.h"
#include "data/tar_index.h"
#include "manifest/targets.h"

namespace {

using namespace selfsight;
using core::Exit;
using core::fail;

/// What every verb has: the input, the output, and what becomes of the manifest.
struct Job {
  core::CommandLine& line;
  manifest::Output output;
  double started = core::monotonic_seconds();
  manifest::Dataset dataset;

  void describe(const std::string& output_help, bool replaces = true) {
    line.options().group("Output");
    output.describe(line.options(), output_help, replaces);
    line.options().group("");
  }
  void begin(const std::string& output_help, const std::string& kind = manifest::Dataset::kind) {
    describe(output_help);
    line.parse();
    if (!kind.empty()) output.check(kind);
  }
  void read() {
    const manifest::Document document = manifest::read_document(line.input());
    dataset = manifest::from_json<manifest::Dataset>(document.json, document.folder, document.origin);
    dataset.inputs = {manifest::input_entry(document.kind, document.origin, document.json)};
  }
  template <class M>
  void print(M& manifest, const manifest::fs::path& to) {
    manifest::stamp(manifest, "ssl-data", line.argv(), core::monotonic_seconds() - started, {.provenance = output.provenance()});
    manifest::emit(manifest::to_json(manifest, core::absolute_path(to.parent_path())), to);
  }
  /// The same for a data set that was described just now, with a line on each split.
  void present() {
    print(dataset, output.file());
    for (const auto& [name, split] : dataset.splits) core::log_info("{}: {} samples, {} classes", name, split.count, split.labels.size());
  }
};

void describe_set(Job& job, const std::string& format) {
  data::DescribeOptions options(job.line.options(), format);
  job.begin("also write the manifest to this file");
  const std::vector<std::string>& paths = job.line.positionals(1);
  job.dataset = data::describe(format, paths.empty() ? manifest::fs::path() : manifest::fs::path(paths[0]), options);
  job.present();
}

void index(Job& job) {
  data::TarIndexOptions options;
  options.describe(job.line.options());
  job.begin("also write the manifest to this file, and the indices beside it; without it they lie beside the shards");
  job.dataset = data::index_tars(job.line.positionals(std::string::npos), options, job.output.file(), job.output.force());
  job.present();
}

void check(Job& job) {
  data::CheckOptions options;
  options.describe(job.line.options());
  job.begin("also write the manifest, with what was found, to this file");
  job.read();
  const std::size_t bad = data::check_dataset(job.dataset, options.workers);
  job.print(job.dataset, job.output.file());
  if (bad > 0 && options.on_bad == "fail")
    fail(Exit::bad_data, "{} of the images are bad (listed above and in the manifest; --on-bad skip accepts them)", bad);
}

void split(Job& job) {
  data::SubsetOptions subset;
  subset.describe(job.line.options());
  job.begin("the manifest; files with the sample numbers are written beside it");
  subset.check();
  if (!job.output.given()) fail(Exit::usage, "split writes files with sample numbers beside its manifest: say where with -o FILE");
  job.read();
  const auto summary = data::add_subsets(job.dataset, subset, job.output.file(), job.output.force());
  job.print(job.dataset, job.output.file());
  for (const std::string& line : summary) core::log_info("{}", line);
}

void shard(Job& job) {
  std::int64_t megabytes = 256;
  job.line.options().add("shard-size", &megabytes, "largest size of a shard in MB (10^6 bytes)").range(1, 1e6);
  job.describe("the new folder for shards, indices and dataset.json", /*replaces=*/false);
  job.line.parse();
  if (!job.output.given()) fail(Exit::usage, "say with -o FOLDER where the shards go");
  job.read();
  job.dataset = data::write_shards(job.dataset, job.output.file(), megabytes * 1'000'000);
  job.print(job.dataset, job.output.file() / "dataset.json");
}

void sample(Job& job) {
  data::SampleOptions options;
  options.describe(job.line.options());
  job.begin("the contact sheet, a PNG file", "");
  if (!job.output.given()) fail(Exit::usage, "say with -o FILE.png where the contact sheet goes");
  core::refuse_foreign(job.output.file(), job.output.force(), "a contact sheet", data::is_sheet);
  job.read();
  core::write_atomically(job.output.file(), data::encode_sheet(data::sample_sheet(job.dataset, options)));
  job.print(job.dataset, "");
}

void bench(Job& job) {
  data::BenchOptions options;
  options.describe(job.line.options());
  job.begin("also write the figures, a metrics manifest, to this file", manifest::Metrics::kind);
  job.read();
  manifest::Metrics metrics = data::bench(job.dataset, options);
  job.print(metrics, job.output.file());
}

}  // namespace

int main(int argc, char** argv) {
  std::string formats;
  for (const auto& [name, summary] : data::format_summaries()) formats += fmt::format("\n  {:<14} {}", name, summary);
  const core::ToolInfo info = {
      .name = "ssl-data",
      .purpose =
          "Describes images and videos on disk as a data set manifest, and checks, splits, shards, shows and times data sets.\nFormats:" +
          formats + "\nindex TARS makes a data set of WebDataset shards. Verbs that read a manifest: check, split, shard, sample, bench.",
      .usage = "ssl-data FORMAT PATH | ssl-data index TARS... | ssl-data check|split|shard|sample|bench [options] [DATASET.json|-]",
      .examples = {"ssl-data fashion-mnist -o fashion.json | ssl-data check > checked.json",
                   "ssl-data auto photos/ | ssl-data split --into train-a=0.9,val=0.1 -o photos.json",
                   "ssl-data index train='train-{000000..001281}.tar' val='val-{00..49}.tar' -o imagenet.json",
                   "ssl-data bench --views swav --size 224 photos.json > /dev/null"},
      .see_also = {"ssl-pretrain", "ssl-linear", "ssl-report"}};
  return core::run_tool(argc, argv, info, [](core::CommandLine& line) {
    Job job{line};
    const std::string word = line.take_word();
    const std::map<std::string, void (*)(Job&)> verbs = {{"check", check}, {"index", index},   {"split", split},
                                                         {"shard", shard}, {"sample", sample}, {"bench", bench}};
    if (const auto verb = verbs.find(word); verb != verbs.end()) return verb->second(job);
    if (!word.empty()) return describe_set(job, word);
    line.parse();
    fail(Exit::usage, "give a format or a verb; ssl-data --help lists them");
  });
}
