#include "core/files.h"
#include "manifest/payload.h"
#include "report/axis.h"
#include "report/sections.h"
#include "report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <set>

namespace selfsight::report {
namespace {

/// What a scalar of the training record is called on the page.
struct Known {
  const char* key;
  const char* title;
  const char* note;
  const char* unit;
  double factor;
};
constexpr std::array<Known, 8> known = {{{"loss", "Loss", "", "", 1},
                                         {"knn", "Online kNN accuracy", "% of held-out images", "%", 100},
                                         {"feature_std", "Spread of the embedding", "std × √D; 0: collapsed", "", 1},
                                         {"feature_spread", "Spread of the features", "std × √D; 0: collapsed", "", 1},
                                         {"effective_rank", "Effective rank", "exp. entropy of singular values", "", 1},
                                         {"lr", "Learning rate", "", "", 1},
                                         {"images_per_second", "Throughput", "images/s", "images/s", 1},
                                         {"data_wait", "Waiting for data", "% of the time", "%", 100}}};

/// What the training record has as STAGE_ms, milliseconds of one thread for an image.
constexpr std::array<const char*, 4> loading = {"read", "decode", "augment", "transfer"};

/// Beyond this many points a curve is smoothed and its raw points are kept behind it.
constexpr std::size_t smoothing_from = 200;

Series series_of(const Curve& curve, const TrainedRun& run, double factor) {
  Series series;
  series.name = run.name;
  series.colour = run.colour;
  series.dash = run.dash;
  series.x = curve.x;
  for (const double y : curve.y) series.y.push_back(y * factor);
  if (series.y.size() > smoothing_from) {
    series.raw_x = series.x;
    series.raw_y = series.y;
    series.y = smooth(series.y, series.y.size() / 40 | 1);
    thin(series.raw_x, series.raw_y, 1200);
    thin(series.x, series.y, 400);
  }
  return series;
}

std::string chart_of(const std::vector<TrainedRun>& runs, const Known& what) {
  LineChart chart;
  chart.title = what.title;
  chart.note = what.note;
  chart.unit = what.unit;
  chart.legend = false;
  for (const TrainedRun& run : runs) {
    const Curve* curve = run.record.find(what.key);
    if (curve == nullptr || curve->y.empty()) continue;
    chart.x_label = run.record.x_label;
    chart.series.push_back(series_of(*curve, run, what.factor));
  }
  const std::string key = what.key;
  if (key == "feature_std" || key == "feature_spread") chart.low = 0, chart.high = 1;
  if (key == "data_wait" || key == "images_per_second" || key == "lr" || key == "effective_rank") chart.low = 0;
  if (key == "data_wait") chart.high = 10;
  return chart.series.empty() ? "" : draw(chart);
}

}  // namespace

Section training_section(const std::vector<TrainedRun>& runs) {
  Section section{"training", "Training",
                  "What the training record holds, over epochs. Long series are smoothed; their raw points stay faintly behind them.", ""};
  const bool any = std::any_of(runs.begin(), runs.end(), [](const TrainedRun& run) { return !run.record.empty(); });
  if (!any) {
    section.lead.clear();
    section.html = absent(runs.empty() ? "No model was given, so there is no training record." : "The model names no training record.");
    return section;
  }
  std::string charts;
  std::set<std::string> done;
  for (const Known& what : known) {
    charts += chart_of(runs, what);
    done.insert(what.key);
  }
  done.insert({"seconds", "step"});
  for (const char* stage : loading) done.insert(std::string(stage) + "_ms");
  std::set<std::string> further;
  for (const TrainedRun& run : runs) {
    for (const auto* curves : {&run.record.steps, &run.record.epochs}) {
      for (const auto& [key, curve] : *curves) {
        if (!done.contains(key)) further.insert(key);
      }
    }
  }
  for (const std::string& key : further) charts += chart_of(runs, {key.c_str(), key.c_str(), "", "", 1});
  if (runs.size() > 1) {
    std::vector<Series> names;
    for (const TrainedRun& run : runs) names.push_back({run.name, {}, {}, {}, {}, run.colour, run.dash});
    section.html = line_legend(names);
  }
  section.html += "<div class=\"charts\">" + charts + "</div>";

  std::vector<std::pair<std::string, std::string>> costs, stages;
  for (const TrainedRun& run : runs) {
    for (const char* stage : loading) {
      const Curve* curve = run.record.find(std::string(stage) + "_ms");
      if (curve == nullptr || curve->y.empty()) continue;
      const double mean = std::accumulate(curve->y.begin(), curve->y.end(), 0.0) / static_cast<double>(curve->y.size());
      costs.emplace_back(runs.size() > 1 ? run.name + ": " + stage : stage, fmt::format("{:.3f} ms", mean));
    }
  }
  if (!costs.empty()) section.html += "<h3>What an image costs before the step, one thread</h3>" + definition_grid(costs);
  for (const TrainedRun& run : runs) {
    for (const auto& [stage, seconds] : run.record.stage_seconds) {
      stages.emplace_back(runs.size() > 1 ? run.name + ": " + stage : stage, seconds_text(seconds));
    }
  }
  if (!stages.empty()) section.html += "<h3>Time beside the steps</h3>" + definition_grid(stages);
  return section;
}

Section views_section(const std::vector<TrainedRun>& runs) {
  Section section{"views", "Training views",
                  "What the network was shown: one column an image, one row a view, as drawn for the first batch.", ""};
  std::set<std::string> shown;  // runs of one arm have the same kind of views
  std::string sheets;
  for (const TrainedRun& run : runs) {
    const manifest::File file = training_file(*run.model, "views");
    if (file.path.empty() || !shown.insert(run.arm).second) continue;
    const auto bytes = core::read_bytes(checked_payload(file, "sheet of views", run.model->origin));
    sheets += fmt::format("<figure><figcaption>{}</figcaption><img class=\"pixels\" alt=\"Grid of training views\" src=\"{}\"></figure>",
                          escape(run.arm), image_uri(bytes, file.path.string()));
  }
  if (!sheets.empty()) section.html = "<div class=\"sheets\">" + sheets + "</div>";
  if (section.html.empty()) {
    section.lead.clear();
    section.html = absent("No sheet of views came with the training record.");
  }
  return section;
}

}  // namespace selfsight::report
