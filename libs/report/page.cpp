#include "report/page.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/targets.h"
#include "core/tool.h"
#include "report/axis.h"
#include "report/sections.h"
#include "report/style.h"

#include <fmt/format.h>

#include <algorithm>

namespace selfsight::report {
namespace {

using manifest::Json;

/// Adds what a document holds unless an equal one is there already; gives its place.
template <class M>
std::int64_t add_once(std::vector<M>& all, std::vector<Json>& seen, const Json& json, const std::filesystem::path& folder,
                      const std::string& origin) {
  const auto it = std::find(seen.begin(), seen.end(), json);
  if (it != seen.end()) return it - seen.begin();
  seen.push_back(json);
  all.push_back(manifest::from_json<M>(json, folder, origin));
  return static_cast<std::int64_t>(all.size()) - 1;
}

/// Documents being unpacked.
struct Unpacking {
  Material& material;
  std::vector<Json> models = {}, features = {}, datasets = {};

  void dataset(const Json& json, const std::filesystem::path& folder, const std::string& origin) {
    if (json.is_object() && !json.empty()) add_once(material.datasets, datasets, json, folder, origin);
  }
  std::int64_t model(const Json& json, const std::filesystem::path& folder, const std::string& origin) {
    if (!json.is_object() || json.empty()) return -1;
    const std::int64_t place = add_once(material.models, models, json, folder, origin);
    if (json.contains("dataset")) dataset(json.at("dataset"), folder, origin + " (data set)");
    return place;
  }
  void feature_set(const Json& json, const std::filesystem::path& folder, const std::string& origin) {
    add_once(material.features, features, json, folder, origin);
    if (json.contains("dataset")) dataset(json.at("dataset"), folder, origin + " (data set)");
  }
};

std::string series_name(const Comparison& comparison, std::size_t arm, const manifest::Model& model, bool several) {
  const std::string& name = comparison.arms[arm].name;
  const bool seeded = several && model.config.is_object() && model.config.contains("seed");
  return seeded ? name + ", seed " + model.config.at("seed").dump() : name;
}

std::vector<TrainedRun> trained_runs(const Material& material, const Comparison& comparison) {
  std::vector<TrainedRun> runs;
  for (std::size_t i = 0; i < material.models.size(); ++i) {
    const manifest::Model& model = material.models[i];
    TrainedRun run{&model,          model.method, model.method, static_cast<int>(comparison.arms.size() + i) % colours, static_cast<int>(i),
                   record_of(model)};
    for (std::size_t m = 0; m < material.metrics.size(); ++m) {
      if (material.model_of[m] != static_cast<std::int64_t>(i) || !comparison.method_arms[m]) continue;
      const std::size_t arm = *comparison.method_arms[m];
      const auto same = std::count(comparison.method_arms.begin(), comparison.method_arms.end(), comparison.method_arms[m]);
      run.arm = comparison.arms[arm].name;
      run.name = series_name(comparison, arm, model, same > 1);
      run.colour = static_cast<int>(arm) % colours;
      const auto before = std::count(comparison.method_arms.begin(), comparison.method_arms.begin() + static_cast<std::ptrdiff_t>(m),
                                     comparison.method_arms[m]);
      run.dash = same > 1 ? static_cast<int>(before) : static_cast<int>(arm);
    }
    if (material.models.size() == 1) run.dash = 0;
    if (material.models.size() == 1 && comparison.arms.empty()) run.colour = 0;
    runs.push_back(std::move(run));
  }
  return runs;
}

std::string page_title(const Material& material, const Comparison& comparison, const Focus& focus, const std::vector<TrainedRun>& runs) {
  std::string subject = focus.arm ? comparison.arms[*focus.arm].name : "";
  for (std::size_t a = 0; a < comparison.arms.size() && focus.arm; ++a) {
    if (a != *focus.arm && comparison.arms[a].method && comparison.arms[*focus.arm].method) subject += " and " + comparison.arms[a].name;
  }
  if (subject.empty() && !runs.empty()) subject = runs.front().name;
  const std::string data = material.datasets.empty() ? "" : material.datasets.front().name;
  if (subject.empty()) return data.empty() ? "Report" : data;
  return data.empty() ? subject : subject + " on " + data;
}

/// A document with the page's entry added, its paths made to hold from `folder`.
template <class M>
Json with_report(const manifest::Document& document, const Json& entry, const std::filesystem::path& folder) {
  M parsed = manifest::from_json<M>(document.json, document.folder, document.origin);
  parsed.extra["report"] = entry;
  return manifest::to_json(parsed, folder);
}

}  // namespace

void ReportOptions::describe(core::Options& options) {
  options.group("Page");
  options.add("title", &title, "heading of the page (default: made from what was run)").metavar("TEXT");
  options.add("subject", &subject, "method or arm that the page is about (default: the last method given)").metavar("NAME");
  options.add("baseline", &baselines, "what it is held against (default: everything else)").metavar("NAMES").distinct();
  options.group("Images and features");
  options.add("queries", &queries, "samples whose nearest neighbours are shown (default: drawn at random)")
      .metavar("INDICES")
      .range(0)
      .distinct()
      .only_with("images");
  options.add("query-count", &query_count, "how many are drawn").range(1, 200).only_with("images");
  options.add("neighbours", &neighbours, "neighbours of each").range(1, 50).only_with("images");
  options.add("map-points", &map_points, "images on the 2-D map; 0 leaves it out (time and memory grow with the square)").range(0, 5000);
  options.add("perplexity", &perplexity, "of t-SNE: how many neighbours an image is kept near to").range(2, 200).only_with("map-points");
  options.add("seed", &seed, "of what is drawn at random");
  options.add("images", &images, "show images of the data set (needs its files)");
  options.add("threads", &threads, "0: one per processor").range(0, 1024).runtime();
}

Material gather(const std::vector<std::string>& paths) {
  std::vector<manifest::Document> documents;
  documents.reserve(paths.size());
  for (const std::string& path : paths) documents.push_back(manifest::read_document(path));
  return gather(std::move(documents));
}

Material gather(std::vector<manifest::Document> documents) {
  Material material;
  Unpacking unpacking{material};
  for (const manifest::Document& document : documents) {
    const auto& [kind, json, folder, origin] = document;
    if (kind == manifest::Metrics::kind) {
      material.metrics.push_back(manifest::from_json<manifest::Metrics>(json, folder, origin));
      const manifest::Metrics& metrics = material.metrics.back();
      material.model_of.push_back(unpacking.model(metrics.model, folder, origin + " (model)"));
      for (const Json& features : metrics.features) unpacking.feature_set(features, folder, origin + " (features)");
    } else if (kind == manifest::Model::kind) {
      unpacking.model(json, folder, origin);
    } else if (kind == manifest::Features::kind) {
      unpacking.feature_set(json, folder, origin);
    } else if (kind == manifest::Dataset::kind) {
      unpacking.dataset(json, folder, origin);
    } else {
      core::fail(core::Exit::usage, "{}: a {} manifest has no part in this page (metrics, model, features and dataset do)", origin, kind);
    }
  }
  material.documents = std::move(documents);
  return material;
}

std::string make_page(const Material& material, const ReportOptions& options) {
  const Comparison comparison = compare(material.metrics);
  const Focus focus = find_focus(comparison, options);
  const std::vector<TrainedRun> runs = trained_runs(material, comparison);
  std::vector<FeatureSet> sets;
  for (const manifest::Features& features : material.features) sets.emplace_back(features);
  // Features know the method, arms its settings as well: the focus's own method decides.
  std::string subject = focus.arm ? comparison.arms[*focus.arm].name : runs.empty() ? "" : runs.back().model->method;
  for (std::size_t m = 0; m < material.metrics.size(); ++m) {
    if (focus.arm && comparison.method_arms[m] == focus.arm && material.model_of[m] >= 0)
      subject = material.models[static_cast<std::size_t>(material.model_of[m])].method;
  }
  const Shown shown = choose_features(sets, subject);
  Thumbnails thumbnails;

  Page page;
  page.title = options.title.empty() ? page_title(material, comparison, focus, runs) : options.title;
  page.subtitle = run_line(runs);
  page.hero = hero(comparison, focus);
  page.sections.push_back(results_section(comparison, focus));
  if (auto classes = classes_section(material)) page.sections.push_back(std::move(*classes));
  auto breakdowns = breakdowns_section(material, options, thumbnails);
  // Predictions of any program can be scored: then there is nothing that could be trained, mapped or shown, and no need to say so five
  // times.
  const bool only_scores = breakdowns && material.models.empty() && sets.empty() && material.datasets.empty();
  if (breakdowns) page.sections.push_back(std::move(*breakdowns));
  if (!only_scores) {
    page.sections.push_back(training_section(runs));
    page.sections.push_back(views_section(runs));
    page.sections.push_back(neighbours_section(shown, options, thumbnails));
    page.sections.push_back(map_section(shown, options, thumbnails));
    page.sections.push_back(data_section(material, options, thumbnails));
  }
  page.sections.push_back(run_section(material, runs));
  page.footer = fmt::format("Made by ssl-report of selfsight {}. This file is all there is: it loads nothing from elsewhere.",
                            core::version_number());
  return draw(page);
}

void refuse_foreign_page(const std::filesystem::path& path, bool force) {
  core::refuse_foreign(path, force, "a page", [](const std::filesystem::path& file) { return core::starts_with(file, page_marker); });
}

Written write_page(const std::filesystem::path& path, const std::string& html, bool force) {
  refuse_foreign_page(path, force);
  core::write_atomically(path, html);
  return {path, core::digest_of(html)};
}

Json passed_on(const Material& material, const Written& page, const std::filesystem::path& folder, const Provenance& provenance) {
  const Json entry = {{"path", std::filesystem::absolute(page.path).lexically_normal().string()}, {"digest", page.digest}};
  if (material.documents.size() == 1) {
    const manifest::Document& document = material.documents.front();
    if (document.kind == manifest::Metrics::kind) return with_report<manifest::Metrics>(document, entry, folder);
    if (document.kind == manifest::Model::kind) return with_report<manifest::Model>(document, entry, folder);
    if (document.kind == manifest::Features::kind) return with_report<manifest::Features>(document, entry, folder);
    return with_report<manifest::Dataset>(document, entry, folder);
  }
  manifest::Metrics merged;
  for (const manifest::Metrics& metrics : material.metrics) {
    merged.rows.insert(merged.rows.end(), metrics.rows.begin(), metrics.rows.end());
    merged.breakdowns.insert(merged.breakdowns.end(), metrics.breakdowns.begin(), metrics.breakdowns.end());
  }
  for (const manifest::Document& document : material.documents)
    merged.inputs.push_back(manifest::input_entry(document.kind, document.origin, document.json));
  merged.folder = folder;
  merged.extra["report"] = entry;
  manifest::stamp(merged, "ssl-report", provenance.arguments, provenance.seconds, manifest::OutputOptions{provenance.wanted});
  return manifest::to_json(merged, folder);
}

}  // namespace selfsight::report
