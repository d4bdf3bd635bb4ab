// What stands behind the numbers, item by item, as metrics manifests hold it under "breakdowns".
#include "core/error.h"
#include "core/files.h"
#include "manifest/payload.h"
#include "report/axis.h"
#include "report/overlay.h"
#include "report/sections.h"
#include "report/style.h"
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace selfsight::report {
namespace {

using manifest::Json;

constexpr std::size_t most_bars = 30;       ///< longer lists show their ends as bars and the whole in a table
constexpr std::size_t most_charts = 3;      ///< of one breakdown: further columns stand in the table alone
constexpr std::size_t most_open = 12;       ///< queries and frames before the rest is folded away
constexpr std::size_t most_at_all = 60;     ///< queries and frames: each is kilobytes of the page
constexpr std::size_t most_ranked = 12;     ///< answers to one query
constexpr std::int64_t overlay_side = 480;  ///< pixels

std::string note(const std::string& text) { return text.empty() ? "" : "<p class=\"note\">" + escape(text) + "</p>"; }

double number_of(const Json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

std::string name_with_unit(const Json& column) {
  const std::string unit = column.value("unit", "");
  return column.at("name").get<std::string>() + (unit.empty() ? "" : ", " + unit);
}

/// Shows the first of `parts` and folds the rest away. `what` is the plural of a part's name.
std::string folded(const std::vector<std::string>& parts, const std::string& open, const std::string& close, const std::string& what,
                   std::size_t in_all) {
  std::string first = open, rest = open;
  for (std::size_t i = 0; i < parts.size(); ++i) (i < most_open ? first : rest) += parts[i];
  std::string out = first + close;
  if (parts.size() > most_open) out += details(fmt::format("{} more {}", parts.size() - most_open, what), rest + close);
  if (in_all > parts.size()) out += note(fmt::format("The first {} of {} {}.", parts.size(), in_all, what));
  return out;
}

// ---- items

struct Items {
  const Json& columns;
  /// In the order given where they are bins of a scale ("ordered"), else by the first column, the largest first, those without a number
  /// last.
  std::vector<std::string> names;
  std::vector<std::vector<double>> values;  ///< one a column
  bool ordered = false;

  explicit Items(const Json& breakdown) : columns(breakdown.at("columns")), ordered(breakdown.value("ordered", false)) {
    std::vector<std::pair<std::string, std::vector<double>>> rows;
    for (const Json& row : breakdown.at("rows")) {
      std::vector<double> numbers;
      for (const Json& value : row.at("values")) numbers.push_back(number_of(value));
      numbers.resize(columns.size(), std::nan(""));
      rows.emplace_back(row.at("name").get<std::string>(), std::move(numbers));
    }
    const auto key = [](const auto& row) { return row.second.empty() || std::isnan(row.second[0]) ? -HUGE_VAL : row.second[0]; };
    if (!ordered) std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) { return key(a) > key(b); });
    for (auto& [name, numbers] : rows) {
      names.push_back(std::move(name));
      values.push_back(std::move(numbers));
    }
  }
};

std::string items_chart(const Items& items, std::size_t c) {
  BarChart chart{
      items.columns[c].at("name").get<std::string>(), items.columns[c].value("unit", ""), items.columns[c].value("unit", ""), {}};
  if (c > 0 && !items.ordered)
    chart.note += (chart.note.empty() ? "" : "; ") + fmt::format("in the order of {}", items.columns[0].at("name").get<std::string>());
  std::vector<std::size_t> shown;
  for (std::size_t r = 0; r < items.names.size(); ++r)
    if (std::isfinite(items.values[r][c])) shown.push_back(r);
  if (shown.size() > most_bars) {
    shown.erase(shown.begin() + most_bars / 2, shown.end() - most_bars / 2);
    chart.note += (chart.note.empty() ? "" : "; ") + fmt::format("the first {0} and the last {0}", most_bars / 2);
  }
  for (const std::size_t r : shown)
    chart.bars.push_back({items.names[r], items.values[r][c], 0, {}, value_text(items.values[r][c], 0, chart.unit), static_cast<int>(c)});
  return chart.bars.empty() ? "" : draw(chart);
}

std::string items_table(const Items& items, const std::string& item) {
  Table table;
  table.columns.push_back({item, "", false});
  for (const Json& column : items.columns) table.columns.push_back({name_with_unit(column), "", true});
  for (std::size_t r = 0; r < items.names.size(); ++r) {
    auto& row = table.rows.emplace_back(std::vector<TableCell>{{escape(items.names[r])}});
    for (std::size_t c = 0; c < items.columns.size(); ++c)
      row.push_back({std::isfinite(items.values[r][c]) ? value_text(items.values[r][c], 0, items.columns[c].value("unit", "")) : "–"});
  }
  return draw(table);
}

std::string items_html(const Json& breakdown) {
  const Items items(breakdown);
  const std::string item = breakdown.at("item").get<std::string>();
  if (items.names.empty() || items.columns.empty()) return absent("Nothing is listed.");
  std::string charts;
  const std::size_t drawn = items.columns.size() > most_charts ? 1 : items.columns.size();
  for (std::size_t c = 0; c < drawn; ++c) charts += items_chart(items, c);
  const std::string summary = fmt::format("All {} rows ({}) as a table", count_text(static_cast<std::int64_t>(items.names.size())), item);
  const bool many_rows = items.names.size() > most_bars;
  const bool many_columns = drawn < items.columns.size();
  if (!charts.empty() && many_columns && !many_rows) return "<div class=\"beside\">" + charts + items_table(items, item) + "</div>";
  std::string out = charts.empty() ? "" : "<div class=\"charts\">" + charts + "</div>";
  if (items.columns.size() > 1 || many_rows || charts.empty()) out += details(summary, items_table(items, item));
  return out;
}

// ---- curves

/// Charts that may share a grid with those of the next breakdown, and what is folded away below it.
struct Curves {
  std::string shown, folded;
};

Curves curves_of(const Json& breakdown, const std::string& title) {
  std::vector<Series> all;
  Limits y{INFINITY, -INFINITY};
  for (const Json& given : breakdown.at("series")) {
    Series series;
    series.name = given.at("name").get<std::string>();
    const Json &xs = given.at("x"), &ys = given.at("y");
    for (std::size_t i = 0; i < std::min(xs.size(), ys.size()); ++i) {
      series.x.push_back(number_of(xs[i]));
      series.y.push_back(number_of(ys[i]));
      if (!std::isfinite(series.y.back())) continue;
      y.low = std::min(y.low, series.y.back());
      y.high = std::max(y.high, series.y.back());
    }
    if (std::none_of(series.y.begin(), series.y.end(), [](double value) { return std::isfinite(value); })) continue;
    const auto holes = std::any_of(series.y.begin(), series.y.end(), [](double value) { return !std::isfinite(value); });
    if (!holes) thin(series.x, series.y, 400);
    series.colour = static_cast<int>(all.size()) % colours;
    series.dash = static_cast<int>(all.size() % colours) / 4 + static_cast<int>(all.size()) / colours;
    all.push_back(std::move(series));
  }
  if (all.empty()) return {"", "<h3>" + escape(title) + "</h3>" + absent("No curve has a point.")};
  std::vector<std::string> charts;
  for (std::size_t begin = 0; begin < all.size(); begin += colours) {
    LineChart chart;
    chart.title = title;
    chart.note = breakdown.at("y").get<std::string>() + " over " + breakdown.at("x").get<std::string>();
    chart.x_label = breakdown.at("x").get<std::string>();
    chart.width = 560;
    chart.height = 320;
    if (y.low >= 0 && y.high <= 1) chart.low = 0, chart.high = 1;  // shares: the whole axis, so that figures can be compared
    if (y.low >= 0 && y.high > 1 && y.high <= 100 && y.low < 50) chart.low = 0;
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(begin + colours, all.size()));
    chart.series.assign(all.begin() + static_cast<std::ptrdiff_t>(begin), end);
    if (chart.series.size() == 1) chart.note += ": " + chart.series[0].name;  // there is no legend of one
    charts.push_back(draw(chart));
  }
  std::string rest;
  for (std::size_t i = 1; i < charts.size(); ++i) rest += charts[i];
  if (!rest.empty())
    rest = details(fmt::format("{}: {} more curves", title, all.size() - colours), "<div class=\"sheets\">" + rest + "</div>");
  return {charts[0], rest};
}

// ---- pictures

/// Reads the files that breakdowns name; what cannot be shown is said where it would stand.
class Files {
 public:
  Files(const manifest::Metrics& metrics, Thumbnails& thumbnails) : metrics_(metrics), thumbnails_(thumbnails) {}

  /// What `make` gives for the file under `key`; empty without one. A fault is added to `faults`.
  template <class Make>
  auto read(const Json& owner, const char* key, std::vector<std::string>& faults, const Make& make) const
      -> decltype(make(manifest::File{})) {
    if (!owner.contains(key)) return {};
    const Json& file = owner.at(key);
    try {
      return make(manifest::File{metrics_.folder / file.at("path").get<std::string>(), file.value("digest", ""), {}});
    } catch (const core::Error& error) {
      faults.emplace_back(error.what());
      return {};
    }
  }
  [[nodiscard]] std::string thumbnail(const Json& shown, std::vector<std::string>& faults) const {
    return read(shown, "image", faults, [&](const manifest::File& file) { return thumbnails_.uri(file, metrics_.origin); });
  }
  [[nodiscard]] std::vector<std::byte> bytes(const manifest::File& file, const char* what) const {
    return core::read_bytes(manifest::checked_payload(file, what, metrics_.origin));
  }

 private:
  const manifest::Metrics& metrics_;
  Thumbnails& thumbnails_;
};

std::string caption_of(const Json& shown) { return shown.value("text", shown.at("name").get<std::string>()); }

/// "✓ " or "✗ ", in the colours of right and wrong.
std::string mark(bool right) { return right ? "<i>✓</i>" : "<i>✗</i>"; }

std::string score_text(const Json& answer) {
  return answer.contains("score") && answer.at("score").is_number() ? number_text(answer.at("score").get<double>()) : "";
}

std::string gallery_picture(const Json& shown, const std::string& classes, const std::string& badge, const Files& files) {
  std::vector<std::string> faults;
  const std::string uri = files.thumbnail(shown, faults), name = shown.at("name").get<std::string>(), score = score_text(shown);
  const std::string title = name + (score.empty() ? "" : ", score " + score) + (faults.empty() ? "" : "; " + faults.front());
  const std::string inside = uri.empty() ? fmt::format("<b class=\"blank\">{}</b>", faults.empty() ? "no image" : "image missing")
                                         : fmt::format("<img alt=\"{}\" src=\"{}\">", escape(name), uri);
  return fmt::format("<div class=\"pic {}\" title=\"{}\">{}{}<span>{}</span></div>", classes, escape(title), badge, inside,
                     escape(caption_of(shown)));
}

bool has_picture(const Json& query) {
  const Json& ranked = query.at("ranked");
  return query.at("query").contains("image") ||
         std::any_of(ranked.begin(), ranked.end(), [](const Json& one) { return one.contains("image"); });
}

std::string pictured_query(const Json& query, const Files& files) {
  const Json& shown = query.at("query");
  std::string out = "<div class=\"row\">";
  out += shown.contains("image") ? gallery_picture(shown, "query", "", files)
                                 : fmt::format("<div class=\"pic query\"><b class=\"blank said\">{}</b></div>", escape(caption_of(shown)));
  const Json& ranked = query.at("ranked");
  for (std::size_t i = 0; i < std::min(ranked.size(), most_ranked); ++i) {
    const bool right = ranked[i].at("right").get<bool>();
    out += gallery_picture(ranked[i], right ? "right" : "wrong", mark(right), files);
  }
  return out + "</div>";
}

std::string told_query(const Json& query) {
  std::string out = fmt::format("<div class=\"told\"><p>{}</p><ol>", escape(caption_of(query.at("query"))));
  const Json& ranked = query.at("ranked");
  for (std::size_t i = 0; i < std::min(ranked.size(), most_ranked); ++i) {
    const bool right = ranked[i].at("right").get<bool>();
    const std::string score = score_text(ranked[i]);
    out +=
        fmt::format("<li class=\"{}\" title=\"{}\">{}{}{}</li>", right ? "right" : "wrong", escape(ranked[i].at("name").get<std::string>()),
                    mark(right), escape(caption_of(ranked[i])), score.empty() ? "" : " <small>" + escape(score) + "</small>");
  }
  return out + "</ol></div>";
}

std::string gallery_html(const Json& breakdown, const Files& files, bool images) {
  const Json& queries = breakdown.at("queries");
  if (queries.empty()) return absent("There is no query.");
  const bool pictured = std::any_of(queries.begin(), queries.end(), has_picture);
  if (pictured && !images) return absent("Left out: --no-images was given.");
  std::vector<std::string> parts;
  for (std::size_t q = 0; q < std::min(queries.size(), most_at_all); ++q)
    parts.push_back(pictured ? pictured_query(queries[q], files) : told_query(queries[q]));
  return note("The query first, then what was ranked highest: ✓ with a solid line is right, ✗ with a dashed one is wrong.") +
         folded(parts, pictured ? "<div class=\"near wide gallery\">" : "<div class=\"tales\">", "</div>", "queries", queries.size());
}

/// Which colour is what, of the objects that are filled in.
std::string overlay_legend(const LabelMap& map, const Json& breakdown) {
  constexpr std::size_t most = 16;
  const auto names = breakdown.find("labels");
  const std::string item = breakdown.value("item", "index");
  std::string out;
  for (std::size_t number = 1; number < map.values.size() && number <= most; ++number) {
    const std::size_t value = map.values[number];
    const bool named = names != breakdown.end() && value < names->size();
    const std::string name = named ? names->at(value).get<std::string>() : fmt::format("{} {}", item, value);
    out += fmt::format("<span><b class=\"swatch\" style=\"background:{}\"></b>{}</span>", fill_colour(number), escape(name));
  }
  if (map.values.size() > most + 1) out += fmt::format("<span>and {} more</span>", map.values.size() - 1 - most);
  return out.empty() ? "" : "<div class=\"legend\">" + out + "</div>";
}

std::string overlay_figure(const Json& frame, const Json& breakdown, const Files& files) {
  std::vector<std::string> faults;
  const auto image = files.read(frame, "image", faults, [&](const manifest::File& file) {
    data::Stored stored;
    stored.owned = files.bytes(file, "image");
    stored.bytes = stored.owned;
    return data::decode(stored, 3, file.path.string());
  });
  const auto mask = [&](const char* key) {
    return files.read(frame, key, faults,
                      [&](const manifest::File& file) { return label_map_of(files.bytes(file, key), file.path.string()); });
  };
  const LabelMap prediction = mask("prediction"), truth = mask("truth");
  for (const auto& [map, what] : {std::pair(&prediction, "prediction"), std::pair(&truth, "ground truth")})
    if (!map->empty() && !image.empty() && map->height * image.width != map->width * image.height)
      faults.push_back(fmt::format("The {} is {} x {} pixels, the image {} x {}: stretched to fit.", what, map->width, map->height,
                                   image.width, image.height));
  const data::Image picture = overlay(image, prediction, truth, overlay_side);
  const std::string name = frame.at("name").get<std::string>(), unit = frame.value("unit", "");
  const double value = frame.contains("value") ? number_of(frame.at("value")) : std::nan("");
  std::string out = "<figure><figcaption>" + escape(name);
  if (std::isfinite(value)) out += "<small>" + escape(value_text(value, 0, unit) + (unit.empty() ? "" : " " + unit)) + "</small>";
  out += "</figcaption>";
  if (!picture.empty()) out += fmt::format("<img alt=\"Masks over {}\" src=\"{}\">", escape(name), picture_uri(picture));
  out += overlay_legend(prediction, breakdown);
  for (const std::string& fault : faults) out += absent(fault);
  return out + "</figure>";
}

std::string overlays_html(const Json& breakdown, const Files& files, bool images) {
  const Json& frames = breakdown.at("frames");
  if (!images) return absent("Left out: --no-images was given.");
  if (frames.empty()) return absent("There is no frame.");
  std::vector<std::string> parts;
  for (std::size_t f = 0; f < std::min(frames.size(), most_at_all); ++f) parts.push_back(overlay_figure(frames[f], breakdown, files));
  const bool judged = std::any_of(frames.begin(), frames.end(), [](const Json& frame) { return frame.contains("truth"); });
  return note(judged ? "Coloured: the prediction, a colour an object. White line: the ground truth's outline."
                     : "Coloured: the prediction, a colour an object.") +
         folded(parts, "<div class=\"overlays\">", "</div>", "frames", frames.size());
}

/// Whose breakdowns these are, where a page has those of several.
std::string subject_of(const manifest::Metrics& metrics) {
  if (!metrics.rows.empty() && !metrics.rows.front().subject.empty()) return metrics.rows.front().subject;
  if (metrics.model.is_object() && metrics.model.contains("method")) return metrics.model.value("method", "");
  return std::filesystem::path(metrics.origin).filename().string();
}

}  // namespace

std::optional<Section> breakdowns_section(const Material& material, const ReportOptions& options, Thumbnails& thumbnails) {
  const auto count =
      std::count_if(material.metrics.begin(), material.metrics.end(), [](const auto& one) { return !one.breakdowns.empty(); });
  if (count == 0) return std::nullopt;
  Section section{"breakdowns", "Item by item", "What stands behind the numbers: the single sequences, classes, queries and images.", ""};
  std::string sheet, below;
  const auto end_sheet = [&] {
    if (!sheet.empty()) section.html += "<div class=\"sheets below\">" + sheet + "</div>";
    section.html += below;
    sheet.clear();
    below.clear();
  };
  for (const manifest::Metrics& metrics : material.metrics) {
    const Files files(metrics, thumbnails);
    for (const Json& breakdown : metrics.breakdowns) {
      const std::string kind = breakdown.at("kind").get<std::string>(), name = breakdown.at("title").get<std::string>();
      const std::string title = count > 1 ? name + " · " + subject_of(metrics) : name;
      if (kind == "curves") {
        const Curves curves = curves_of(breakdown, title);
        sheet += curves.shown;
        below += curves.folded;
        continue;
      }
      end_sheet();
      section.html += "<h3>" + escape(title) + "</h3>";
      if (kind == "items") section.html += items_html(breakdown);
      if (kind == "gallery") section.html += gallery_html(breakdown, files, options.images);
      if (kind == "overlays") section.html += overlays_html(breakdown, files, options.images);
    }
  }
  end_sheet();
  return section;
}

}  // namespace selfsight::report
