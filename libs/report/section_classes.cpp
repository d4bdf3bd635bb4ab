#include "report/axis.h"
#include "report/sections.h"
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace selfsight::report {
namespace {

using manifest::Json;

std::string text_of(const Json& facts, const char* key) {
  return facts.contains(key) && facts.at(key).is_string() ? facts.at(key).get<std::string>() : "";
}

std::vector<std::string> names_of(const Json& facts) {
  std::vector<std::string> names;
  for (const Json& name : facts.value("labels", Json::array())) names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  return names;
}

/// Subject, protocol and split as a caption.
std::string origin_of(const Json& facts) {
  std::string out = text_of(facts, "subject");
  for (const char* key : {"protocol", "split"}) {
    if (const std::string text = text_of(facts, key); !text.empty()) out += (out.empty() ? "" : ", ") + text;
  }
  return out;
}

std::string per_class_figure(const Json& facts) {
  BarChart chart{"Accuracy by class", origin_of(facts) + ", %", "%", {}};
  const auto names = names_of(facts);
  const Json values = facts.value("values", Json::array());
  constexpr std::size_t most = 40;
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < std::min(names.size(), values.size()); ++c) {
    if (values[c].is_number()) order.push_back(c);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a].get<double>() > values[b].get<double>(); });
  if (order.size() > most) {  // the best and the worst of many
    order.erase(order.begin() + most / 2, order.end() - most / 2);
    chart.note += fmt::format("; the {} best and the {} worst", most / 2, most / 2);
  }
  for (const std::size_t c : order)
    chart.bars.push_back({names[c], values[c].get<double>(), 0, {}, value_text(values[c].get<double>(), 0, "%"), 0});
  return chart.bars.empty() ? "" : draw(chart);
}

/// Shares of each true class, in percent.
std::string confusion_figure(const Json& facts) {
  const auto names = names_of(facts);
  const Json counts = facts.value("counts", Json::array());
  if (names.empty() || counts.size() != names.size()) return "";
  std::string out = "<table><thead><tr><th></th>";
  for (const std::string& name : names) out += "<th scope=\"col\">" + escape(name) + "</th>";
  out += "</tr></thead><tbody>";
  for (std::size_t r = 0; r < names.size(); ++r) {
    if (!counts[r].is_array() || counts[r].size() != names.size()) return "";
    double total = 0;
    for (const Json& count : counts[r]) total += count.is_number() ? count.get<double>() : 0;
    out += "<tr><th scope=\"row\">" + escape(names[r]) + "</th>";
    for (std::size_t c = 0; c < names.size(); ++c) {
      const double count = counts[r][c].is_number() ? counts[r][c].get<double>() : 0, share = total > 0 ? count / total : 0;
      out += fmt::format("<td class=\"{}\" style=\"--v:{:.3f}\" title=\"{} of class {} taken for {}\">{}</td>", r == c ? "self" : "", share,
                         count_text(static_cast<std::int64_t>(count)), escape(names[r]), escape(names[c]),
                         share >= 0.005 ? fmt::format("{:.0f}", 100 * share) : "");
    }
    out += "</tr>";
  }
  return fmt::format(
      "<figure class=\"confusion\"><figcaption>What each class was taken for<small>rows: true class; % of it; {}</small></figcaption><div "
      "style=\"overflow-x:auto\">{}</tbody></table></div></figure>",
      escape(origin_of(facts)), out);
}

}  // namespace

std::optional<Section> classes_section(const Material& material) {
  std::string html;
  for (auto metrics = material.metrics.rbegin(); metrics != material.metrics.rend() && html.empty(); ++metrics) {
    const Json confusion = metrics->extra.value("confusion", Json()), per_class = metrics->extra.value("per_class", Json());
    if (confusion.is_object()) html += confusion_figure(confusion);
    if (per_class.is_object()) html += per_class_figure(per_class);
  }
  if (html.empty()) return std::nullopt;
  return Section{"classes", "Classes", "Which classes are told apart, and which are taken for one another.",
                 "<div class=\"classes\">" + html + "</div>"};
}

}  // namespace selfsight::report
