#include "score/detect_rows.h"

#include "core/error.h"
#include "metrics/detection.h"

#include <cmath>
#include <optional>

namespace selfsight::score {

namespace {

using manifest::Json;
using metrics::iou_thresholds;
using metrics::recall_levels;

constexpr int threshold_75 = 5;

/// One figure of a summary: what it is the mean of.
struct Figure {
  std::string name;
  bool precision = true;             ///< else recall
  std::optional<int> threshold;      ///< none: mean over all
  std::size_t range = 0, limit = 0;  ///< indices
  char frequency = 0;                ///< 0: all categories
};

const char* frequency_name(char frequency) {
  return frequency == 'r' ? "rare" : frequency == 'c' ? "common" : frequency == 'f' ? "frequent" : "all";
}

std::vector<std::size_t> categories_of(const GroundTruth& truth, char frequency) {
  std::vector<std::size_t> out;
  for (std::size_t c = 0; c < truth.categories.size(); ++c)
    if (frequency == 0 || truth.categories[c].frequency == frequency) out.push_back(c);
  return out;
}

/// Precisions of all categories with ground truth at one IoU threshold and recall level.
void add_precisions(const Evaluated& evaluated, const std::vector<std::size_t>& categories, std::size_t range, int threshold, int level,
                    std::vector<double>& values) {
  const std::size_t at = static_cast<std::size_t>(threshold) * recall_levels + static_cast<std::size_t>(level);
  for (const std::size_t c : categories)
    if (const CategoryScore& score = evaluated.categories[c]; score.truths[range] > 0) values.push_back(score.curves[range].precision[at]);
}

/// In the order in which the official programs take the mean: by IoU threshold, recall level, category.
double mean_precision(const Evaluated& evaluated, const std::vector<std::size_t>& categories, std::size_t range, int first, int last) {
  std::vector<double> values;
  for (int t = first; t <= last; ++t)
    for (int r = 0; r < recall_levels; ++r) add_precisions(evaluated, categories, range, t, r, values);
  return metrics::numpy_mean(values);
}

double mean_recall(const Evaluated& evaluated, const std::vector<std::size_t>& categories, const Figure& figure, int first, int last) {
  std::vector<double> values;
  for (int t = first; t <= last; ++t)
    for (const std::size_t c : categories)
      if (const CategoryScore& score = evaluated.categories[c]; score.truths[figure.range] > 0)
        values.push_back(score.recalls[figure.range][figure.limit * iou_thresholds + static_cast<std::size_t>(t)]);
  return metrics::numpy_mean(values);
}

double value_of(const Figure& figure, const GroundTruth& truth, const Evaluated& evaluated) {
  const std::vector<std::size_t> categories = categories_of(truth, figure.frequency);
  const int first = figure.threshold.value_or(0), last = figure.threshold.value_or(iou_thresholds - 1);
  return figure.precision ? mean_precision(evaluated, categories, figure.range, first, last)
                          : mean_recall(evaluated, categories, figure, first, last);
}

/// In the order of the official summary.
std::vector<Figure> figures_of(const GroundTruth& truth, const Evaluation& rules) {
  std::vector<Figure> out;
  const std::size_t last = rules.limits.size() - 1;
  const auto ap = [&](const std::string& name, std::optional<int> threshold, std::size_t range, char frequency = 0) {
    out.push_back({name, true, threshold, range, last, frequency});
  };
  const auto ar = [&](const std::string& name, std::optional<int> threshold, std::size_t range, std::size_t limit) {
    out.push_back({fmt::format("AR{}@{}", name, rules.limits[limit]), false, threshold, range, limit, 0});
  };
  ap("AP", {}, 0);
  ap("AP50", 0, 0);
  ap("AP75", threshold_75, 0);
  for (std::size_t a = 1; a < rules.ranges.size(); ++a) ap("AP" + rules.ranges[a].name.substr(0, 1), {}, a);
  if (truth.protocol == Protocol::lvis)
    for (const char frequency : {'r', 'c', 'f'}) ap(std::string("AP") + frequency, {}, 0, frequency);
  for (std::size_t limit = 0; limit <= last; ++limit) ar("", {}, 0, limit);
  if (rules.scored == Scored::keypoints) {
    ar("50", 0, 0, last);
    ar("75", threshold_75, 0, last);
  }
  for (std::size_t a = 1; a < rules.ranges.size(); ++a) ar(rules.ranges[a].name.substr(0, 1), {}, a, last);
  return out;
}

const char* name_of(Scored scored) { return scored == Scored::mask ? "mask" : scored == Scored::keypoints ? "keypoints" : "box"; }

/// Numbers for JSON: a list in which what is not finite is null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

}  // namespace

void add_rows(manifest::Metrics& metrics, const GroundTruth& truth, const Results& results, const Evaluation& rules,
              const Evaluated& evaluated) {
  const bool lvis = truth.protocol == Protocol::lvis;
  for (const Figure& figure : figures_of(truth, rules)) {
    manifest::Row row;
    row.name = figure.name + (rules.corrected ? " (corrected)" : "");
    row.value = value_of(figure, truth, evaluated);
    std::int64_t scored = 0;
    for (const std::size_t c : categories_of(truth, figure.frequency)) scored += evaluated.categories[c].truths[figure.range] > 0 ? 1 : 0;
    row.protocol = {{"protocol", lvis ? "LVIS" : "COCO"},
                    {"type", name_of(rules.scored)},
                    {rules.scored == Scored::keypoints ? "oks" : "iou",
                     figure.threshold ? fmt::format("{:.2f}", metrics::iou_threshold(*figure.threshold)) : "0.50:0.95"},
                    {"area", rules.ranges[figure.range].name},
                    {"area of detections", name_of(rules.area)},
                    {"categories", frequency_name(figure.frequency)},
                    {"categories with ground truth", scored},
                    {"images", truth.images.size()},
                    {"most detections", rules.limits[figure.limit]},
                    {"most detections per", lvis ? "image" : "image and category"},
                    {"results", results.entries.size()}};
    if (rules.scored == Scored::keypoints)
      row.protocol["sigmas"] = rules.sigmas == metrics::coco_sigmas() ? Json("COCO") : Json(rules.sigmas);
    if (results.unknown > 0) row.protocol["results of unknown categories"] = results.unknown;
    if (evaluated.other_size > 0) row.protocol["masks of another size than their image"] = evaluated.other_size;
    if (scored == 0) row.protocol["reason"] = "no ground truth (the official program prints -1)";
    metrics.rows.push_back(std::move(row));
  }
}

void add_breakdowns(manifest::Metrics& metrics, const GroundTruth& truth, const Evaluation& rules, const Evaluated& evaluated) {
  const bool lvis = truth.protocol == Protocol::lvis;
  for (const char frequency : lvis ? std::vector<char>{'r', 'c', 'f'} : std::vector<char>{0}) {
    Json rows = Json::array();
    for (const std::size_t c : categories_of(truth, frequency)) {
      const CategoryScore& score = evaluated.categories[c];
      if (score.truths[0] == 0 && score.detections == 0) continue;
      rows.push_back({{"name", truth.categories[c].name},
                      {"values",
                       {number(mean_precision(evaluated, {c}, 0, 0, iou_thresholds - 1)), number(mean_precision(evaluated, {c}, 0, 0, 0)),
                        score.truths[0], score.detections}}});
    }
    if (rows.empty()) continue;
    metrics.breakdowns.push_back({{"kind", "items"},
                                  {"title", lvis ? fmt::format("AP by category: {}", frequency_name(frequency)) : "AP by category"},
                                  {"item", "category"},
                                  {"columns", {{{"name", "AP"}}, {{"name", "AP50"}}, {{"name", "instances"}}, {{"name", "detections"}}}},
                                  {"rows", std::move(rows)}});
  }

  std::vector<double> recall;
  recall.reserve(recall_levels);
  for (int r = 0; r < recall_levels; ++r) recall.push_back(metrics::recall_level(r));
  const auto curve = [&](const std::string& name, char frequency, std::size_t range, int last) {
    const std::vector<std::size_t> categories = categories_of(truth, frequency);
    Json y = Json::array();
    for (int r = 0; r < recall_levels; ++r) {
      std::vector<double> values;
      for (int t = 0; t <= last; ++t) add_precisions(evaluated, categories, range, t, r, values);
      y.push_back(number(metrics::numpy_mean(values)));
    }
    return Json{{"name", name}, {"x", recall}, {"y", std::move(y)}};
  };
  const std::string overlap = rules.scored == Scored::keypoints ? "OKS" : "IoU";
  for (const bool strict : {false, true}) {
    const int last = strict ? iou_thresholds - 1 : 0;
    Json series = Json::array();
    if (lvis)
      for (const char frequency : {'\0', 'r', 'c', 'f'}) series.push_back(curve(frequency_name(frequency), frequency, 0, last));
    else
      for (std::size_t a = 0; a < rules.ranges.size(); ++a) series.push_back(curve(rules.ranges[a].name, 0, a, last));
    metrics.breakdowns.push_back({{"kind", "curves"},
                                  {"title", fmt::format("Precision over recall at {} {}, by {}", overlap, strict ? "0.50:0.95" : "0.50",
                                                        lvis ? "frequency" : "area")},
                                  {"x", "recall"},
                                  {"y", "precision"},
                                  {"series", std::move(series)}});
  }
}

}  // namespace selfsight::score
