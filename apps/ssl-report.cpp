// ssl-report: one self-contained HTML page from any manifests.
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/targets.h"
#include "core/tool.h"
#include "manifest/manifest.h"
#include "report/markdown.h"
#include "report/page.h"

#include <filesystem>

using namespace selfsight;
namespace fs = std::filesystem;

namespace {

/// Beside the first input that is a file, else in the working folder.
fs::path default_page(const report::Material& material) {
  for (const manifest::Document& document : material.documents) {
    std::error_code error;
    if (fs::is_regular_file(document.origin, error)) return fs::path(document.origin).parent_path() / "report.html";
  }
  return "report.html";
}

void report_body(core::CommandLine& line) {
  const double started = core::monotonic_seconds();
  std::string output, table;
  bool force = false, provenance = true;
  report::ReportOptions options;
  core::Options& described = line.options();
  described.add("output", &output, "the page (default: report.html beside the first input file, or in the working folder)")
      .letter('o')
      .metavar("FILE")
      .written()
      .runtime();
  described.add("table", &table, "also write the comparison as a Markdown table to this file").metavar("FILE").written().runtime();
  core::describe_force(described, &force);
  described.add("provenance", &provenance, "keep in the manifest what differs between two runs of one command").runtime();
  options.describe(described);
  line.parse();

  constexpr std::size_t most_inputs = 1000;
  std::vector<std::string> paths = line.positionals(most_inputs);
  if (paths.empty()) paths = {line.input()};
  const report::Material material = report::gather(paths);
  const fs::path page = output.empty() ? default_page(material) : fs::path(output);
  report::refuse_foreign_page(page, force);  // before the work, not after it
  if (!table.empty()) {
    report::refuse_foreign_table(table, force);
    core::write_atomically(table, std::string_view(report::markdown_table(material, options)));
  }
  const std::string html = report::make_page(material, options);
  const report::Written written = report::write_page(page, html, force);
  core::log_info("wrote {} ({} kB)", page.string(), html.size() / 1000);
  manifest::emit(report::passed_on(material, written, fs::current_path(), {line.argv(), core::monotonic_seconds() - started, provenance}),
                 {});
}

}  // namespace

int main(int argc, char** argv) {
  core::ToolInfo info;
  info.name = "ssl-report";
  info.purpose =
      "Makes one self-contained HTML page of metrics, models, features and data sets: the comparison with its protocols, the single items "
      "behind the numbers, training curves, views, nearest neighbours and a map of the features. Passes the manifest on to stdout.";
  info.usage = "ssl-report [options] [MANIFEST...|-]";
  info.examples = {
      "ssl-data fashion-mnist /usr/share/datasets/fashion-mnist | ssl-pretrain swav -o run | ssl-linear | ssl-report -o page.html",
      "ssl-report baseline.json method-seed1.json method-seed2.json -o comparison.html",
      "ssl-report --table table.md simclr.json moco.json -o comparison.html",
      "ssl-report --subject simclr --baseline pixels --queries 3,17,42 metrics.json"};
  info.see_also = {"ssl-data", "ssl-pretrain", "ssl-linear", "ssl-embed"};
  return core::run_tool(argc, argv, info, report_body);
}
