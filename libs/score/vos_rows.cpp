#include "score/vos_rows.h"

#include "metrics/statistics.h"
#include "score/headline.h"

#include <fmt/format.h>

#include <functional>
#include <limits>

namespace selfsight::score {

namespace {

using manifest::Json;
using Statistics = metrics::SequenceStatistics;

constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

double percent(std::optional<double> share) { return share ? 100 * *share : nothing; }
double mean_or_nothing(const std::vector<double>& values) { return values.empty() ? nothing : metrics::mean(values); }

double mean_over(const std::vector<ObjectScore>& objects, const std::function<double(const ObjectScore&)>& value) {
  std::vector<double> values;
  values.reserve(objects.size());
  for (const ObjectScore& object : objects) values.push_back(100 * value(object));
  return mean_or_nothing(values);
}

Json table(const std::string& title, const std::string& item, const std::vector<std::string>& columns, Json rows) {
  Json heads = Json::array();
  for (const std::string& name : columns) heads.push_back({{"name", name}, {"unit", name == "object" || name == "proposal" ? "" : "%"}});
  return {{"kind", "items"}, {"title", title}, {"item", item}, {"columns", std::move(heads)}, {"rows", std::move(rows)}};
}

Json table_row(const std::string& name, const std::vector<double>& values) {
  Json numbers = Json::array();
  for (const double value : values) numbers.push_back(number(value));
  return {{"name", name}, {"values", std::move(numbers)}};
}

Json sequence_table(const VosOptions& options, const std::vector<SequenceScore>& sequences) {
  std::vector<std::string> columns{"J&F", "J", "F"};
  if (options.unsupervised()) columns.insert(columns.end(), {"FG-ARI", "mIoU"});
  Json rows = Json::array();
  for (const SequenceScore& s : sequences) {
    const double j = mean_over(s.objects, [](const ObjectScore& o) { return o.j.mean; });
    const double f = mean_over(s.objects, [](const ObjectScore& o) { return o.f.mean; });
    std::vector<double> values{(j + f) / 2, j, f};
    if (options.unsupervised()) values.insert(values.end(), {percent(s.ari), percent(s.iou)});
    rows.push_back(table_row(s.name, values));
  }
  return table("Sequences", "sequence", columns, std::move(rows));
}

Json object_table(const VosOptions& options, const std::vector<SequenceScore>& sequences) {
  std::vector<std::string> columns{"J&F", "J", "J recall", "J decay", "F", "F recall", "F decay"};
  if (options.unsupervised()) columns.insert(columns.end(), {"object", "proposal"});
  Json rows = Json::array();
  for (const SequenceScore& s : sequences) {
    int number = 0;
    for (const ObjectScore& o : s.objects) {
      std::vector<double> values{50 * (o.j.mean + o.f.mean), 100 * o.j.mean, 100 * o.j.recall,
                                 100 * o.j.official_decay,   100 * o.f.mean, 100 * o.f.recall,
                                 100 * o.f.official_decay};
      if (options.unsupervised()) values.insert(values.end(), {static_cast<double>(o.object), static_cast<double>(o.proposal)});
      rows.push_back(table_row(fmt::format("{}_{}", s.name, ++number), values));
    }
  }
  return table("Objects", "object", columns, std::move(rows));
}

Json protocol_of(const VosOptions& options, const VosScore& score, std::size_t objects) {
  const std::string void_label = options.single_object ? "foreground" : options.unsupervised() ? "void" : "background";
  return {{"task", options.task},
          {"truth", score.annotations.parent_path().filename().string() + "/" + score.annotations.filename().string()},
          {"sequences", score.sequences.size()},
          {"objects", objects},
          {"frames", score.frames.size()},
          {"first and last frame", options.unsupervised() ? "scored" : "left out"},
          {"index 255", void_label},
          {"objects are", options.single_object ? "one: every index above 0" : "the indices of the first frame"}};
}

/// Mean, recall and decay of J or F over all objects.
void add_measure(const std::string& name, const std::vector<ObjectScore>& objects, const Statistics ObjectScore::*measure,
                 bool long_sequences, const Json& protocol, manifest::Metrics& metrics) {
  const auto add = [&](const std::string& part, double Statistics::*field, const Json& further) {
    metrics.rows.push_back(
        row(name + " " + part, mean_over(objects, [&](const ObjectScore& o) { return o.*measure.*field; }), "%", protocol, further));
  };
  add("mean", &Statistics::mean, Json::object());
  add("recall", &Statistics::recall, {{"recall", "share of frames above 0.5"}});
  Json decay = {{"decay", "first quarter of the frames minus the last"}, {"better", "lower"}};
  if (!long_sequences) return add("decay", &Statistics::official_decay, decay);
  decay["frame numbers"] = "in 8 bits, as the official program has them: wrong or undefined over 256 frames";
  add("decay", &Statistics::official_decay, decay);
  decay["frame numbers"] = "whole";
  add("decay, corrected", &Statistics::decay, decay);
}

/// FG-ARI and mIoU, over whole sequences and frame by frame; each is the mean over the sequences that have it.
void add_cluster_rows(const std::vector<SequenceScore>& sequences, Json protocol, manifest::Metrics& metrics) {
  protocol["mean over"] = "sequences";
  protocol["objects are"] = "all indices of the truth";
  const auto add = [&](const std::string& name, std::optional<double> SequenceScore::*field, const Json& further) {
    std::vector<double> values;
    for (const SequenceScore& s : sequences)
      if (s.*field) values.push_back(percent(s.*field));
    metrics.rows.push_back(row(name, mean_or_nothing(values), "%", protocol, further));
  };
  const Json pixels = {{"pixels", "of objects; the truth's background is left out"}};
  const Json matching = {{"matching", "Hungarian, on IoU; the prediction's background is no proposal"}};
  const auto scope = [](Json json, const char* text) {
    json["scope"] = text;
    return json;
  };
  add("FG-ARI", &SequenceScore::ari, scope(pixels, "whole sequence"));
  add("FG-ARI per frame", &SequenceScore::frame_ari, scope(pixels, "each frame by itself"));
  add("mIoU", &SequenceScore::iou, scope(matching, "whole sequence"));
  add("mIoU per frame", &SequenceScore::frame_iou, scope(matching, "each frame by itself"));
}

}  // namespace

void add_vos_rows(const VosOptions& options, const VosScore& score, const std::string& subject, manifest::Metrics& metrics) {
  std::vector<ObjectScore> objects;
  std::vector<double> frame_values;
  bool long_sequences = false;
  for (const SequenceScore& s : score.sequences) {
    objects.insert(objects.end(), s.objects.begin(), s.objects.end());
    for (const double value : s.frames) frame_values.push_back(100 * value);
    long_sequences = long_sequences || s.frames.size() > 256;
  }
  Json protocol = protocol_of(options, score, objects.size());
  if (options.unsupervised()) protocol["most proposals"] = options.max_proposals;
  Json whole = protocol;
  whole["mean over"] = "objects of all sequences";
  if (options.unsupervised()) whole["matching"] = "Hungarian, on the sequence mean of (J + F) / 2";
  const Json boundary = {{"boundary tolerance", "0.008 of the diagonal, rounded up"}};
  const double j = mean_over(objects, [](const ObjectScore& o) { return o.j.mean; });
  const double f = mean_over(objects, [](const ObjectScore& o) { return o.f.mean; });
  metrics.rows.push_back(row("J&F mean", (j + f) / 2, "%", whole, boundary));
  add_measure("J", objects, &ObjectScore::j, long_sequences, whole, metrics);
  whole.update(boundary);
  add_measure("F", objects, &ObjectScore::f, long_sequences, whole, metrics);
  if (options.unsupervised()) add_cluster_rows(score.sequences, protocol, metrics);
  for (manifest::Row& one : metrics.rows) one.split = options.set, one.subject = subject;
  metrics.breakdowns = {sequence_table(options, score.sequences), object_table(options, score.sequences)};
  const Json further = {{"item", options.unsupervised() ? "proposal" : options.single_object ? "index" : "object"}};
  for (Json& part : overlays(score.frames, frame_values, "J&F", "%", options.overlays, further))
    metrics.breakdowns.push_back(std::move(part));
  say_headline(subject, {{"J&F", (j + f) / 2, "%"}, {"J", j, "%"}, {"F", f, "%"}},
               fmt::format("{} objects, {} frames, {}", objects.size(), score.frames.size(), options.task));
}

}  // namespace selfsight::score
