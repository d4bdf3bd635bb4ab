#include "core/error.h"
#include "report/axis.h"
#include "report/sections.h"
#include "report/style.h"
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace selfsight::report {
namespace {

std::string with_unit(const std::string& text, const std::string& unit) { return unit.empty() ? text : text + " " + unit; }

/// "95 % interval 5.1 to 7.5, 5 paired draws".
std::string interval_text(const Difference& d, const std::string& unit) {
  if (!d.standard_error) return "single numbers: no interval";
  std::string text =
      fmt::format("95 % interval {} to {}", signed_text(d.low, *d.standard_error, unit), signed_text(d.high, *d.standard_error, unit));
  return text + (d.samples.empty() ? ", " + d.over : fmt::format(", {} {}", d.samples.size(), d.over));
}

/// The column that the head of the page shows: the first where the focus is held against something with an interval.
std::optional<std::size_t> headline(const Comparison& comparison, const Focus& focus) {
  std::optional<std::size_t> best;
  int best_rank = 0;
  for (std::size_t c = 0; c < comparison.columns.size(); ++c) {
    const Cell* own = focus.arm ? comparison.cell(*focus.arm, c) : nullptr;
    if (own == nullptr || !std::isfinite(summarise(*own).mean)) continue;
    int rank = 1;
    for (const std::size_t b : focus.baselines) {
      const Cell* other = comparison.cell(b, c);
      if (other != nullptr) rank = std::max(rank, difference(*own, *other).standard_error ? 3 : 2);
    }
    if (rank > best_rank) {
      best = c;
      best_rank = rank;
    }
  }
  return best;
}

std::string over_text(const Summary& summary) {
  if (summary.over.empty()) return "single value";
  return fmt::format("mean ± standard deviation of {} {}", summary.samples.size(), summary.over);
}

std::string arm_label(const Comparison& comparison, std::size_t arm) {
  return fmt::format("<span class=\"swatch c{}\"></span>{}", arm % colours, escape(comparison.arms[arm].name));
}

BarChart bars_of(const Comparison& comparison, std::size_t c) {
  const Column& column = comparison.columns[c];
  BarChart chart{column.title, column.split, column.unit, {}};
  if (!column.unit.empty()) chart.note += (chart.note.empty() ? "" : ", ") + column.unit;
  for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
    const Cell* cell = comparison.cell(a, c);
    const Summary summary = cell != nullptr ? summarise(*cell) : Summary{NAN};
    if (!std::isfinite(summary.mean)) continue;
    const std::string text = value_text(summary.mean, summary.spread, column.unit) +
                             (summary.over.empty() ? "" : " ± " + value_text(summary.spread, summary.spread, column.unit));
    chart.bars.push_back({comparison.arms[a].name, summary.mean, summary.spread, summary.samples, text, static_cast<int>(a)});
  }
  return chart;
}

/// Title and whole protocol, for whoever points at a column's head.
std::string hint_of(const Column& column) { return column.full_title + (column.protocol.empty() ? "" : ": " + column.protocol); }

/// Every protocol in full, for whoever wants to do the same again.
std::string protocols(const Comparison& comparison) {
  Table table;
  table.columns = {{"Number", "", false}, {"Protocol", "", false}};
  for (std::size_t c = 0; c < comparison.columns.size(); ++c) {
    const Column& column = comparison.columns[c];
    std::string text = escape(column.protocol);
    for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
      const Cell* cell = comparison.cell(a, c);
      if (cell == nullptr || cell->protocol.empty()) continue;
      text += fmt::format("{}<b>{}</b>: {}", text.empty() ? "" : "<br>", escape(comparison.arms[a].name), escape(cell->protocol));
    }
    table.rows.push_back({{escape(column.full_title)}, {text.empty() ? "–" : text}});
  }
  return details("Protocols in full", draw(table));
}

Table numbers_table(const Comparison& comparison) {
  Table table;
  table.columns.push_back({"", "", false});
  // Under many numbers there is no room for what each was measured by.
  constexpr std::size_t most_with_protocol = 6;
  const bool narrow = comparison.columns.size() > most_with_protocol;
  for (const Column& column : comparison.columns) {
    std::string note = column.split;
    for (const std::string& part : {narrow ? "" : column.brief, std::string(column.lower_is_better ? "lower is better" : "")}) {
      if (!part.empty()) note += (note.empty() ? "" : " · ") + part;
    }
    table.columns.push_back({with_unit(column.title, column.unit.empty() ? "" : "(" + column.unit + ")"), note, true, hint_of(column)});
  }
  for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
    std::vector<TableCell> row = {{arm_label(comparison, a)}};
    for (std::size_t c = 0; c < comparison.columns.size(); ++c) {
      const Cell* cell = comparison.cell(a, c);
      if (cell == nullptr) {
        row.push_back({"–"});
        continue;
      }
      const Summary summary = summarise(*cell);
      const Column& column = comparison.columns[c];
      TableCell out{value_text(summary.mean, summary.spread, column.unit)};
      std::size_t arms = 0;
      out.best = std::isfinite(summary.mean);
      for (std::size_t other = 0; other < comparison.arms.size(); ++other) {
        const Cell* rival = comparison.cell(other, c);
        if (rival == nullptr) continue;
        ++arms;
        const double mean = summarise(*rival).mean;
        if (column.lower_is_better ? mean < summary.mean : mean > summary.mean) out.best = false;
      }
      out.best = out.best && arms > 1;
      if (!summary.over.empty())
        out.html += fmt::format(" <small title=\"{}\">± {}</small>", escape(over_text(summary)),
                                value_text(summary.spread, summary.spread, column.unit));
      if (out.best) out.html = "<strong>" + out.html + "</strong>";
      out.best = false;
      if (!cell->protocol.empty())
        out.html += fmt::format("<small class=\"own\" title=\"{}\">{}</small>", escape(cell->protocol), escape(cut(cell->protocol)));
      row.push_back(out);
    }
    table.rows.push_back(std::move(row));
  }
  table.caption =
      "Mean ± standard deviation (n − 1) where a number stands for several draws or runs. The best of each column is bold. Small print: "
      "split and protocol of the column (the whole of it where the pointer rests on the head, and below); below a number, what its own "
      "protocol adds.";
  return table;
}

/// What the interval of a difference says, as a mark, a class of the page's style and words.
struct Verdict {
  const char *mark, *style, *words;
};

Verdict verdict_of(const Difference& d, const Column& column) {
  if (!d.standard_error) return {"", "", ""};
  if (d.holds(column.lower_is_better)) return {"✓", "yes", "holds: "};
  if (d.holds(!column.lower_is_better)) return {"✗", "no", "the other way round: "};
  return {"○", "no", "cannot be told from none: "};
}

std::string differences_table(const Comparison& comparison, const Focus& focus) {
  Table table;
  table.columns.push_back({"minus", "", false});
  for (const Column& column : comparison.columns)
    table.columns.push_back(
        {with_unit(column.title, column.unit.empty() ? "" : "(" + column.unit + ")"), column.split, true, hint_of(column)});
  bool any = false;
  for (const std::size_t b : focus.baselines) {
    std::vector<TableCell> row = {{arm_label(comparison, b)}};
    for (std::size_t c = 0; c < comparison.columns.size(); ++c) {
      const Cell *own = comparison.cell(*focus.arm, c), *other = comparison.cell(b, c);
      const Difference d = own != nullptr && other != nullptr ? difference(*own, *other) : Difference{NAN};
      if (!std::isfinite(d.mean)) {
        row.push_back({"–"});
        continue;
      }
      any = true;
      const Column& column = comparison.columns[c];
      std::string html = signed_text(d.mean, d.standard_error.value_or(0), column.unit);
      if (d.standard_error) html += fmt::format(" <small>± {}</small>", value_text(*d.standard_error, *d.standard_error, column.unit));
      html += fmt::format("<small class=\"own\">{} {}</small>", verdict_of(d, column).mark, escape(interval_text(d, column.unit)));
      row.push_back({html});
    }
    table.rows.push_back(std::move(row));
  }
  if (!any) return "";
  table.caption =
      "Difference ± its standard error: of the paired differences where draws or runs pair, by Welch where they do not. ✓: the 95 % "
      "interval (Student's t) excludes zero on the better side; ✗: on the worse side; ○: it does not.";
  return fmt::format("<h3>{} minus each baseline</h3>", escape(comparison.arms[*focus.arm].name)) + draw(table);
}

}  // namespace

Focus find_focus(const Comparison& comparison, const ReportOptions& options) {
  Focus focus;
  const auto index_of = [&](const std::string& name, const char* option) {
    std::string known;
    for (std::size_t a = 0; a < comparison.arms.size(); ++a) {
      if (comparison.arms[a].name == name) return a;
      known += (a > 0 ? ", " : "") + comparison.arms[a].name;
    }
    core::fail(core::Exit::usage, "{}: no rows of '{}' (there are: {})", option, name, known.empty() ? "none" : known);
  };
  if (!options.subject.empty()) focus.arm = index_of(options.subject, "--subject");
  for (std::size_t a = 0; a < comparison.arms.size() && options.subject.empty(); ++a) {
    if (comparison.arms[a].method || !focus.arm) focus.arm = a;
  }
  for (const std::string& name : options.baselines) focus.baselines.push_back(index_of(name, "--baseline"));
  for (std::size_t a = 0; a < comparison.arms.size() && options.baselines.empty(); ++a) {
    if (a != focus.arm) focus.baselines.push_back(a);
  }
  return focus;
}

std::string hero(const Comparison& comparison, const Focus& focus) {
  const auto column_index = headline(comparison, focus);
  if (!column_index) return "";
  const Column& column = comparison.columns[*column_index];
  const Cell& own = *comparison.cell(*focus.arm, *column_index);
  const Summary summary = summarise(own);
  std::string card = fmt::format("<div class=\"card\"><div class=\"what\">{}{}</div>", escape(column.title),
                                 column.split.empty() ? "" : " · " + escape(column.split));
  card += fmt::format("<div class=\"big\">{}{}</div>", value_text(summary.mean, summary.spread, column.unit),
                      " <small>" + (summary.over.empty() ? "" : "± " + value_text(summary.spread, summary.spread, column.unit) + " ") +
                          escape(column.unit) + "</small>");
  card += fmt::format("<div class=\"what\">{}, {}</div><ul>", escape(comparison.arms[*focus.arm].name), escape(over_text(summary)));
  IntervalChart chart;
  chart.title = fmt::format("{} minus baseline", comparison.arms[*focus.arm].name);
  chart.note = "± standard error; rings: paired differences; line: 95 % interval";
  chart.x_label = "difference in " + with_unit(column.title, column.unit == "%"    ? "(percentage points)"
                                                             : column.unit.empty() ? ""
                                                                                   : "(" + column.unit + ")");
  for (const std::size_t b : focus.baselines) {
    const Cell* other = comparison.cell(b, *column_index);
    if (other == nullptr) continue;
    const Difference d = difference(own, *other);
    if (!std::isfinite(d.mean)) continue;
    const Verdict verdict = verdict_of(d, column);
    const std::string text = signed_text(d.mean, d.standard_error.value_or(0), column.unit) +
                             (d.standard_error ? " ± " + value_text(*d.standard_error, *d.standard_error, column.unit) : "");
    card += fmt::format("<li class=\"{}\"><span class=\"mark\" style=\"display:inline\">{}</span><b>{}</b> against {}<span>{}</span></li>",
                        verdict.style, verdict.mark, escape(text), escape(comparison.arms[b].name),
                        d.standard_error ? escape(verdict.words + interval_text(d, column.unit)) : "single numbers: no interval");
    chart.intervals.push_back({comparison.arms[b].name, d.mean, d.low, d.high, d.samples, text, static_cast<int>(b)});
  }
  card += "</ul></div>";
  BarChart bars = bars_of(comparison, *column_index);
  bars.width = chart.width;
  return "<div class=\"hero\">" + card + "<div class=\"side\">" + draw(bars) + (chart.intervals.empty() ? "" : draw(chart)) +
         "</div></div>";
}

Section results_section(const Comparison& comparison, const Focus& focus) {
  Section section{"results", "Results", "Every number with its protocol, for each method and baseline.", ""};
  if (comparison.columns.empty()) {
    section.lead.clear();
    section.html = absent("No metrics were given: a metrics manifest (of ssl-linear, for one) brings the comparison here.");
    return section;
  }
  section.html = draw(numbers_table(comparison)) + protocols(comparison);
  if (focus.arm && !focus.baselines.empty()) section.html += differences_table(comparison, focus);
  std::string charts;
  for (std::size_t c = 0; c < std::min<std::size_t>(comparison.columns.size(), 12); ++c) charts += draw(bars_of(comparison, c));
  section.html += "<h3>The same as bars</h3><div class=\"charts\">" + charts +
                  "</div><p class=\"note\">Circles are single draws or runs, error bars one standard deviation.</p>";
  return section;
}

}  // namespace selfsight::report
