// The report: one page made from whatever manifests there are.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace selfsight::report {

struct ReportOptions {
  std::string title;                   ///< "": made from what was run
  std::string subject;                 ///< the arm that the page is about; "": the last method given
  std::vector<std::string> baselines;  ///< what it is held against; empty: every other arm
  std::vector<std::int64_t> queries;   ///< samples whose neighbours are shown; empty: drawn at random
  std::int64_t query_count = 12;
  std::int64_t neighbours = 8;
  std::int64_t map_points = 1500;  ///< 0: no map
  double perplexity = 30;
  std::uint64_t seed = 0;    ///< of the queries and of the points on the map
  bool images = true;        ///< without: leaves out what needs the data set's files
  std::int64_t threads = 0;  ///< 0: one per processor
  void describe(core::Options& options);
};

/// What the inputs hold, each thing once.
struct Material {
  std::vector<manifest::Document> documents;  ///< as given
  std::vector<manifest::Metrics> metrics;
  std::vector<manifest::Model> models;       ///< given, or carried by metrics
  std::vector<std::int64_t> model_of;        ///< of each of the metrics: its model's index, or -1
  std::vector<manifest::Features> features;  ///< given, or carried by metrics
  std::vector<manifest::Dataset> datasets;   ///< given, or carried by models and features
};

/// Reads manifests ("-" is stdin) and unpacks what they carry. Errors: as manifest::read_document; usage for a kind that has no page.
Material gather(const std::vector<std::string>& paths);
Material gather(std::vector<manifest::Document> documents);

/// The page as HTML; the same input gives the same bytes. A part whose input is absent says so in one line.
/// Errors: no_input or bad_data for a payload that is named but missing or not what its digest says; usage for an unknown subject.
std::string make_page(const Material& material, const ReportOptions& options);

/// A page on disk.
struct Written {
  std::filesystem::path path;
  std::string digest;
};
/// What --output may replace: see core::refuse_foreign.
void refuse_foreign_page(const std::filesystem::path& path, bool force);
/// Writes atomically. Errors: as refuse_foreign_page; cannot_create; io.
Written write_page(const std::filesystem::path& path, const std::string& html, bool force);

/// For the manifest of several inputs.
struct Provenance {
  std::vector<std::string> arguments;
  double seconds = 0;
  bool wanted = true;
};
/// The manifest to pass on, with the page under "report" and its paths relative to `folder`: that of the one input, or a metrics
/// manifest with the rows of all.
manifest::Json passed_on(const Material& material, const Written& page, const std::filesystem::path& folder, const Provenance& provenance);

}  // namespace selfsight::report
