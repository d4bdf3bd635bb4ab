#include "report/markdown.h"

#include "unit/support.h"

using namespace selfsight;
using manifest::Json;

namespace {

manifest::Row row(const std::string& subject, std::vector<double> samples) {
  manifest::Row out{"few-label top-1", 0, "%", "test", {{"labels", 100}, {"seed", 0}}, std::move(samples), subject};
  for (const double sample : out.samples) out.value += sample / static_cast<double>(out.samples.size());
  return out;
}

report::Material material() {
  report::Material out;
  manifest::Metrics metrics;
  metrics.model = {{"method", "simclr"}, {"config", {{"seed", 0}}}};
  metrics.rows = {row("simclr", {74, 75, 76, 73, 77}), row("pixels", {69, 69, 71, 66, 70}), row("a|b", {75, 75, 75, 75, 75})};
  out.metrics = {metrics};
  out.model_of = {-1};
  return out;
}

}  // namespace

TEST_CASE("a Markdown table has the arms, the paired differences and what the numbers were measured by") {
  const std::string table = report::markdown_table(material(), {});
  CHECK(test::contains(table, "| simclr | 75.0 ± 1.6 |"));
  CHECK(test::contains(table, "| pixels | 69.0 ± 1.9 |"));
  CHECK(test::contains(table, "| simclr minus pixels | **+6.0 ± 0.4** |"));
  CHECK(test::contains(table, "| a/b |"));  // a bar would end the cell
  CHECK(test::contains(table, "over 5 paired draws"));
  CHECK(test::contains(table, "labels 100"));
  CHECK_FALSE(test::contains(table, "**+0"));
}

TEST_CASE("a table without numbers is refused, and foreign files are not replaced") {
  CHECK(test::contains(test::error_of(core::Exit::usage, [] { report::markdown_table({}, {}); }), "--table"));
  const test::Folder folder;
  test::write_plainly(folder / "thesis.md", "precious");
  CHECK(test::contains(test::error_of(core::Exit::cannot_create, [&] { report::refuse_foreign_table(folder / "thesis.md", false); }),
                       "thesis.md"));
  test::write_plainly(folder / "table.md", report::markdown_table(material(), {}));
  report::refuse_foreign_table(folder / "table.md", false);
}
