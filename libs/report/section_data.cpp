#include "core/rng.h"
#include "data/contact_sheet.h"
#include "report/axis.h"
#include "report/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace selfsight::report {
namespace {

std::string splits_table(const manifest::Dataset& dataset) {
  Table table;
  table.columns = {{"Split", "", false}, {"Images", "", true},  {"Classes", "", true},
                   {"Size", "", false},  {"Format", "", false}, {"Digest", "", false}};
  for (const auto& [name, split] : dataset.splits) {
    std::string size = "various";
    if (split.image.size() == 3) size = fmt::format("{} × {} × {}", split.image[0], split.image[1], split.image[2]);
    table.rows.push_back({{escape(name)},
                          {count_text(split.count)},
                          {split.labels.empty() ? "–" : count_text(static_cast<std::int64_t>(split.labels.size()))},
                          {size},
                          {escape(split.format) + (split.subset ? " (part)" : "")},
                          {split.digest.empty() ? "–" : "<code>" + escape(split.digest.substr(0, 19)) + "…</code>"}});
  }
  return draw(table);
}

/// Some images of a split, a row a class where there are labels.
std::string samples_figure(const manifest::Dataset& dataset, const std::string& name, const ReportOptions& options,
                           Thumbnails& thumbnails) {
  constexpr std::size_t most_rows = 10, columns = 14;
  constexpr std::int64_t side = 64;
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset.split(name).count));
  std::iota(order.begin(), order.end(), 0);
  core::Rng rng(options.seed, core::Stream::eval, 5);
  rng.shuffle(order);

  const std::vector<std::int64_t> labels = thumbnails.labels(dataset, name);
  const auto& names = dataset.split(name).labels;
  std::map<std::int64_t, std::vector<std::int64_t>> chosen;  // by class, or by row without classes
  const bool labelled = std::any_of(labels.begin(), labels.end(), [](std::int64_t label) { return label >= 0; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t label = labelled ? labels[static_cast<std::size_t>(order[i])] : static_cast<std::int64_t>(i / columns);
    if (label < 0 || (!chosen.contains(label) && chosen.size() == most_rows)) continue;
    auto& row = chosen[label];
    if (row.size() < columns) row.push_back(order[i]);
  }
  std::vector<std::vector<data::Image>> rows;
  data::SheetOptions sheet;
  sheet.gap = 3;
  for (const auto& [label, samples] : chosen) {
    auto& row = rows.emplace_back();
    for (const std::int64_t sample : samples) row.push_back(thumbnails.image(dataset, name, sample, side));
    if (labelled)
      sheet.row_captions.push_back(static_cast<std::size_t>(label) < names.size() ? names[static_cast<std::size_t>(label)]
                                                                                  : std::to_string(label));
  }
  if (rows.empty()) return "";
  const data::Image picture = data::contact_sheet(rows, sheet);
  return fmt::format(
      "<figure style=\"margin-top:14px\"><figcaption>Some images of {}{}</figcaption><img class=\"pixels\" alt=\"Images of the data set\" "
      "src=\"{}\"></figure>",
      escape(name), labelled ? ", by class" : "", picture_uri(picture, picture.channels == 1 ? picture.width + picture.height : 64));
}

}  // namespace

Section data_section(const Material& material, const ReportOptions& options, Thumbnails& thumbnails) {
  Section section{"data", "Data", "", ""};
  if (material.datasets.empty()) section.html = absent("No data set was given.");
  for (const manifest::Dataset& dataset : material.datasets) {
    if (material.datasets.size() > 1) section.html += "<h3>" + escape(dataset.name) + "</h3>";
    section.html += splits_table(dataset);
    if (!options.images || dataset.splits.empty()) continue;
    const std::string split = dataset.splits.contains("train") ? "train" : dataset.splits.begin()->first;
    section.html += samples_figure(dataset, split, options, thumbnails);
  }
  return section;
}

}  // namespace selfsight::report
