#include "report/markdown.h"

#include "core/error.h"
#include "core/targets.h"
#include "report/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace selfsight::report {
namespace {

constexpr const char* mark = "<!-- table by ssl-report -->\n";

/// A bar would end the cell.
std::string plain(std::string text) {
  std::replace(text.begin(), text.end(), '|', '/');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string cell_text(const Cell* cell, const std::string& unit) {
  if (cell == nullptr) return "";
  const Summary summary = summarise(*cell);
  std::string text = value_text(summary.mean, summary.spread, unit);
  if (summary.spread > 0) text += " ± " + value_text(summary.spread, summary.spread, unit);
  return text;
}

std::string difference_text(const Cell* a, const Cell* b, const Column& column) {
  if (a == nullptr || b == nullptr) return "";
  const Difference d = difference(*a, *b);
  const double spread = d.standard_error.value_or(0);
  std::string text = signed_text(d.mean, spread, column.unit);
  if (d.standard_error) text += " ± " + value_text(spread, spread, column.unit);
  return d.standard_error && (d.low > 0 || d.high < 0) ? "**" + text + "**" : text;
}

}  // namespace

std::string markdown_table(const Material& material, const ReportOptions& options) {
  const Comparison comparison = compare(material.metrics);
  if (comparison.columns.empty()) core::fail(core::Exit::usage, "--table: the inputs hold no numbers");
  const Focus focus = find_focus(comparison, options);

  std::string head = "| |", rule = "|---|", body, notes;
  for (const Column& column : comparison.columns) {
    head += fmt::format(" {}{} |", plain(column.title), column.unit.empty() ? "" : " (" + column.unit + ")");
    rule += "---|";
    notes += fmt::format("- {}{}: {}\n", plain(column.full_title), column.split.empty() ? "" : ", split " + column.split,
                         plain(column.protocol));
  }
  for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
    body += "| " + plain(comparison.arms[a].name) + " |";
    for (std::size_t c = 0; c < comparison.columns.size(); ++c)
      body += " " + cell_text(comparison.cell(a, c), comparison.columns[c].unit) + " |";
    body += "\n";
  }
  std::string over;
  for (const std::size_t b : focus.baselines) {
    if (!focus.arm) break;
    body += fmt::format("| {} minus {} |", plain(comparison.arms[*focus.arm].name), plain(comparison.arms[b].name));
    for (std::size_t c = 0; c < comparison.columns.size(); ++c) {
      const Cell *own = comparison.cell(*focus.arm, c), *other = comparison.cell(b, c);
      body += " " + difference_text(own, other, comparison.columns[c]) + " |";
      if (over.empty() && own != nullptr && other != nullptr) {
        const Difference d = difference(*own, *other);
        if (d.standard_error) over = d.samples.empty() ? d.over : fmt::format("{} {}", d.samples.size(), d.over);
      }
    }
    body += "\n";
  }
  std::string explained = "Values: mean ± standard deviation.";
  if (!over.empty())
    explained += fmt::format(" Differences: mean ± standard error over {}, bold where the 95 % interval leaves out zero.", over);
  return mark + head + "\n" + rule + "\n" + body + "\n" + explained + "\n\n" + notes;
}

void refuse_foreign_table(const std::filesystem::path& path, bool force) {
  core::refuse_foreign(path, force, "a table of ssl-report's", [](const core::fs::path& file) { return core::starts_with(file, mark); });
}

}  // namespace selfsight::report
