#include "score/sts.h"

#include "core/error.h"
#include "core/log.h"
#include "metrics/correlation.h"
#include "score/features.h"
#include "score/headline.h"
#include "score/shown.h"
#include "score/table.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::Json;

void StsOptions::describe(core::Options& o) {
  o.group("Input");
  o.add("truth", &truth,
        "CSV without a heading: sentence, sentence, score (STS benchmark); or CSV / JSON Lines with a column or field 'score'")
      .metavar("FILE");
  o.add("predictions", &predictions,
        "predicted similarities in the same order: .txt with one a line, .npy, .safetensors, CSV or JSON Lines")
      .metavar("FILE");
  o.add("field", &field, "column, field or array with the predicted similarity").only_with("predictions");
  o.add("first", &first, "instead of --predictions: features of the first sentences, to be compared by cosine").metavar("FILE");
  o.add("second", &second, "and of the second ones").metavar("FILE");
  o.group("Breakdown");
  o.add("bands", &bands, "bands of the true score, of equal width").range(1, 100);
  o.add("show", &show, "pairs to list whose ranks differ most").range(0, 1000);
}

namespace {

constexpr double highest_score = 5;

struct Truth {
  std::vector<double> scores;
  std::vector<std::string> pairs;
};

Truth read_truth(const std::string& path) {
  Truth out;
  const std::string head = core::read_text(path).substr(0, 4096);
  const std::string first_line = head.substr(0, head.find('\n'));
  const bool lines = manifest::fs::path(path).extension() == ".jsonl";
  // The benchmark's files have no heading: then the last field of the first line is a number.
  const auto last_field = first_line.find_last_of(",;\t");
  const bool headed =
      !lines && (last_field == std::string::npos || first_line.find_first_of("0123456789", last_field) == std::string::npos);
  const Table table = lines || headed ? Table::read(path) : Table::read(path, {"sentence1", "sentence2", "score"});
  const std::string a = table.column({"sentence1"}), b = table.column({"sentence2"});
  for (std::size_t i = 0; i < table.size(); ++i) {
    out.scores.push_back(table.number(i, "score"));
    out.pairs.push_back(a.empty() || b.empty() ? fmt::format("pair {}", i) : fmt::format("{} | {}", table.text(i, a), table.text(i, b)));
  }
  if (out.scores.empty()) fail(Exit::bad_data, "{}: has no pairs", path);
  const auto strange = [](double score) { return score < 0 || score > highest_score; };
  if (const auto count = std::count_if(out.scores.begin(), out.scores.end(), strange); count > 0) {
    const auto first = std::find_if(out.scores.begin(), out.scores.end(), strange);
    core::log_warning("{}: {} of the {} scores lie outside of 0 to {}, the scale of STS, {} for one", path, count, out.scores.size(),
                      highest_score, *first);
  }
  return out;
}

std::vector<double> read_predictions(const StsOptions& options) {
  std::vector<double> out;
  if (is_array_file(options.predictions)) {
    const ArrayFile file(options.predictions);
    const auto& view = file.at(options.field);
    if (view.shape.empty() || view.shape[0] != view.elements())
      fail(Exit::bad_data, "{}: should be one number a pair, its shape is ({})", options.predictions, fmt::join(view.shape, ", "));
    for (std::int64_t i = 0; i < view.elements(); ++i) {
      out.push_back(element(view, i));
      if (!std::isfinite(out.back()))
        fail(Exit::bad_data, "{}: entry {} is {}: scores must be finite numbers", options.predictions, i, out.back());
    }
    return out;
  }
  const bool plain = manifest::fs::path(options.predictions).extension() == ".txt";
  const Table table = Table::read(options.predictions, plain ? std::vector<std::string>{options.field} : std::vector<std::string>{});
  for (std::size_t i = 0; i < table.size(); ++i) out.push_back(table.number(i, options.field));
  return out;
}

std::vector<double> cosines(const StsOptions& options, int threads, manifest::Metrics& metrics) {
  const FeatureFile a(options.first), b(options.second);
  if (a.rows().dim != b.rows().dim || a.rows().count != b.rows().count)
    fail(Exit::bad_data, "{}: {} x {} features, {} has {} x {}", a.name(), a.rows().count, a.rows().dim, b.name(), b.rows().count,
         b.rows().dim);
  a.check(metrics::Distance::cosine, threads);
  b.check(metrics::Distance::cosine, threads);
  const metrics::ExactDistance distance(a.rows(), b.rows(), metrics::Distance::cosine, threads);
  std::vector<double> out;
  for (std::int64_t i = 0; i < a.rows().count; ++i) out.push_back(1 - distance(i, i));
  metrics.inputs = {a.input(), b.input()};
  if (a.manifest()) metrics.model = a.manifest()->model;
  return out;
}

Json by_band(const Truth& truth, const std::vector<double>& predicted, std::int64_t bands) {
  const auto [lowest, highest] = std::minmax_element(truth.scores.begin(), truth.scores.end());
  const double low = *lowest, width = (*highest - low) / static_cast<double>(bands);
  Json rows = Json::array();
  for (std::int64_t band = 0; band < bands && width > 0; ++band) {
    std::vector<double> a, b;
    for (std::size_t i = 0; i < predicted.size(); ++i)
      if (std::min(bands - 1, static_cast<std::int64_t>((truth.scores[i] - low) / width)) == band) {
        a.push_back(truth.scores[i]);
        b.push_back(predicted[i]);
      }
    double sum = 0;
    for (const double value : b) sum += value;
    const auto correlation = metrics::spearman(a, b, "", "");
    const Json mean = b.empty() ? Json() : Json(sum / static_cast<double>(b.size()));
    const Json spearman = correlation.value ? Json(*correlation.value) : Json();
    rows.push_back(
        {{"name", fmt::format("{:.4g} to {:.4g}", low + width * static_cast<double>(band), low + width * static_cast<double>(band + 1))},
         {"values", {b.size(), mean, spearman}}});
  }
  return {{"kind", "items"},
          {"title", "By the true score"},
          {"item", "band"},
          {"ordered", true},
          {"columns", {{{"name", "pairs"}}, {{"name", "mean predicted"}}, {{"name", "Spearman within"}}}},
          {"rows", rows}};
}

Json worst_pairs(const Truth& truth, const std::vector<double>& predicted, std::int64_t show) {
  const auto a = metrics::average_ranks(truth.scores), b = metrics::average_ranks(predicted);
  std::vector<double> closeness;
  for (std::size_t i = 0; i < a.size(); ++i) closeness.push_back(-std::fabs(a[i] - b[i]));
  auto which = best_and_worst(closeness, static_cast<std::int64_t>(a.size()));
  std::reverse(which.begin(), which.end());
  which.resize(static_cast<std::size_t>(std::min(show, static_cast<std::int64_t>(which.size()))));
  Json rows = Json::array();
  for (const auto i : which) {
    const auto at = static_cast<std::size_t>(i);
    rows.push_back({{"name", truth.pairs[at]}, {"values", {truth.scores[at], predicted[at], a[at], b[at]}}});
  }
  return {{"kind", "items"},
          {"title", "Pairs whose ranks differ most"},
          {"item", "pair"},
          {"columns", {{{"name", "true score"}}, {{"name", "predicted"}}, {{"name", "true rank"}}, {{"name", "predicted rank"}}}},
          {"rows", rows}};
}

}  // namespace

manifest::Metrics score_sts(const StsOptions& options, int threads) {
  if (options.truth.empty()) fail(Exit::usage, "give the true scores with --truth");
  const bool features = !options.first.empty() || !options.second.empty();
  if (features == !options.predictions.empty() || options.first.empty() != options.second.empty())
    fail(Exit::usage, "give --predictions, or features of both sentences with --first and --second");
  manifest::Metrics out;
  const Truth truth = read_truth(options.truth);
  const std::vector<double> predicted = features ? cosines(options, threads, out) : read_predictions(options);
  if (predicted.size() != truth.scores.size())
    fail(Exit::bad_data, "{}: {} predictions for the {} pairs of {}", features ? options.first : options.predictions, predicted.size(),
         truth.scores.size(), options.truth);
  const Json protocol = {{"pairs", predicted.size()}, {"predicted by", features ? "cosine of features" : "file"}};
  const auto row = [&](const std::string& name, const metrics::Correlation& correlation, const std::string& ties) {
    Json full = protocol;
    if (!ties.empty()) full["ties"] = ties;
    if (!correlation.value) {
      full["not defined"] = correlation.reason;
      core::log_warning("{} is not defined: {}", name, correlation.reason);
    }
    out.rows.push_back(
        {.name = name, .value = correlation.value.value_or(std::numeric_limits<double>::quiet_NaN()), .protocol = std::move(full)});
  };
  row("Spearman", metrics::spearman(truth.scores, predicted, "true scores", "predicted scores"), "mean ranks");
  row("Pearson", metrics::pearson(truth.scores, predicted, "true scores", "predicted scores"), "");
  out.breakdowns = {by_band(truth, predicted, options.bands)};
  if (options.show > 0) out.breakdowns.push_back(worst_pairs(truth, predicted, options.show));
  out.inputs.push_back(file_entry(options.truth));
  if (!features) out.inputs.push_back(file_entry(options.predictions));
  say_headline("", {{"Spearman", out.rows[0].value, ""}, {"Pearson", out.rows[1].value, ""}}, fmt::format("{} pairs", predicted.size()));
  return out;
}

}  // namespace selfsight::score
