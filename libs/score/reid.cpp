#include "score/reid.h"

#include "core/error.h"
#include "core/log.h"
#include "metrics/ranking.h"
#include "metrics/rerank.h"
#include "score/headline.h"
#include "score/people.h"
#include "score/shown.h"
#include "score/table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::Json;

void ReidOptions::describe(core::Options& o) {
  o.group("Input");
  o.add("query", &query, "features of the queries: a features manifest, .safetensors or .npy").metavar("FILE");
  o.add("gallery", &gallery, "features of the gallery; without it the queries are the gallery, each but for itself").metavar("FILE");
  o.add("query-items", &query_items,
        "who is on each query row: .npy (identity, or identity and camera), CSV or JSON Lines with identity and camera, or with a path as "
        "Market-1501 names files; .txt with a path a line. Default: what the features file says")
      .metavar("FILE");
  o.add("gallery-items", &gallery_items, "the same of the gallery").metavar("FILE").only_with("gallery");
  o.add("images", &images, "folder that paths of items are relative to; default: the items file's own").metavar("DIR");
  o.add("identity-array", &identity_array, "array with identities in a features file");
  o.add("camera-array", &camera_array, "array with cameras in a features file");
  o.group("Protocol");
  o.add("protocol", &protocol, "market1501: the whole gallery; cuhk03: one random image of each identity, repeated, for the CMC")
      .choices({"market1501", "cuhk03"});
  o.add("metric", &metric, "distance; ranks are those of float64").choices({"euclidean", "cosine"});
  o.add("ap", &ap, "average precision by steps (torchreid, scikit-learn), by trapezoids (original Market-1501 program), or a row for each")
      .choices({"step", "trapezoid", "both"});
  o.add("same-camera", &same_camera, "what a query's own camera saw of its identity: drop, or keep (no cameras needed)")
      .choices({"drop", "keep"});
  o.add("special-identities", &special_identities,
        "identity -1 is junk, which is left out, and 0 a distractor, which is never right (Market-1501); off: identities are alike");
  o.add("repeats", &repeats, "draws of cuhk03's gallery").range(1, 1e6).only_with("protocol", {"cuhk03"});
  o.add("seed", &seed, "of cuhk03's draws").only_with("protocol", {"cuhk03"});
  o.add("ranks", &ranks, "ranks of the CMC that become rows").range(1, 1e6).distinct();
  o.add("depth", &depth, "last rank of the CMC curve").range(1, 1e5);
  o.add("show", &show, "best and worst queries to list with their nearest, so many each").range(0, 1000);
  o.group("Re-ranking (k-reciprocal encoding, Zhong et al. 2017)");
  o.add("rerank", &rerank, "re-rank before scoring");
  o.add("rerank-k1", &k1, "neighbours of the reciprocal sets").range(1, 1e5).only_with("rerank");
  o.add("rerank-k2", &k2, "neighbours of the query expansion; 1: none").range(1, 1e5).only_with("rerank");
  o.add("rerank-lambda", &lambda, "weight of the original distance").range(0, 1).only_with("rerank");
  o.add("rerank-distance", &rerank_distance,
        "published: squared distances; torchreid: these squared once more, as torchreid does by a slip, for comparison with its numbers")
      .choices({"published", "torchreid"})
      .only_with("rerank");
}

namespace {

constexpr std::int64_t shown_ranks = 10;

/// Everything that is known about a run, and what it comes to.
struct Scoring {
  const ReidOptions& options;
  int threads;
  metrics::Distance distance;
  const People &queries, &items;
  const metrics::Gallery& gallery;
  metrics::Rows query_rows, gallery_rows;
  std::vector<metrics::Ranked> ranked{};
  std::vector<std::vector<std::int64_t>> single{}, single_apart{}, nearest{};

  [[nodiscard]] bool cuhk03() const { return options.protocol == "cuhk03"; }
  [[nodiscard]] bool distractors() const { return options.special_identities && !gallery.of(metrics::GalleryRules::distractor).empty(); }

  void take(metrics::DistanceRow& row) {
    const auto at = static_cast<std::size_t>(row.query);
    const metrics::Sighting& query = queries.sightings[at];
    metrics::SingleShot draws{options.repeats, options.seed};
    if (cuhk03()) single[at] = metrics::single_shot_ranks(row, query, gallery, draws);
    draws.distractors_apart = true;
    if (cuhk03() && distractors()) single_apart[at] = metrics::single_shot_ranks(row, query, gallery, draws);
    ranked[at] = metrics::rank_query(row, query, gallery);
    if (options.rerank && options.show > 0) nearest[at] = row.nearest(shown_ranks);
  }

  void run() {
    const auto count = static_cast<std::size_t>(query_rows.count);
    ranked.resize(count);
    single.resize(cuhk03() ? count : 0);
    single_apart.resize(cuhk03() && distractors() ? count : 0);
    nearest.resize(count);
    const auto blocks = block_options(threads);
    if (!options.rerank) {
      metrics::for_each_row({query_rows, gallery_rows, distance, threads}, blocks, [this](metrics::DistanceRow& row) { take(row); });
      return;
    }
    std::vector<float> all;
    all.reserve(query_rows.values.size() + gallery_rows.values.size());
    all.insert(all.end(), query_rows.values.begin(), query_rows.values.end());
    all.insert(all.end(), gallery_rows.values.begin(), gallery_rows.values.end());
    const metrics::RerankOptions how{options.k1, options.k2, options.lambda, options.rerank_distance == "published" ? 1 : 2, blocks};
    metrics::for_each_reranked_row({all, query_rows.count + gallery_rows.count, query_rows.dim}, query_rows.count, distance, how,
                                   [this](metrics::DistanceRow& row) { take(row); });
  }

  /// The nearest of the queries that are shown: a second, short pass, so that the first need not find them for all.
  void find_nearest(const std::vector<std::int64_t>& which) {
    if (options.rerank || which.empty()) return;
    const Selection some(query_rows, which);
    metrics::for_each_row({some.rows, gallery_rows, distance, threads}, block_options(threads), [&](metrics::DistanceRow& row) {
      const auto at = static_cast<std::size_t>(which[static_cast<std::size_t>(row.query)]);
      metrics::DistanceRow own = row;
      own.query = static_cast<std::int64_t>(at);
      for (std::int64_t g = 0; g < gallery_rows.count; ++g)
        if (gallery.left_out(queries.sightings[at], own.query, g))
          own.approximate[static_cast<std::size_t>(g)] = std::numeric_limits<float>::infinity();
      nearest[at] = own.nearest(shown_ranks);
    });
  }
};

Json by_camera(const Scoring& s, const std::vector<double>& ap) {
  std::map<std::int64_t, std::pair<std::vector<double>, std::int64_t>> cameras;  // APs, and how many have a right item first
  for (std::size_t q = 0; q < ap.size(); ++q)
    if (!std::isnan(ap[q])) {
      auto& [values, first] = cameras[s.queries.sightings[q].camera];
      values.push_back(ap[q]);
      first += s.ranked[q].ranks.front() == 1 ? 1 : 0;
    }
  Json rows = Json::array();
  for (const auto& [camera, entry] : cameras) {
    double sum = 0;
    for (const double value : entry.first) sum += value;
    const auto n = static_cast<double>(entry.first.size());
    rows.push_back({{"name", fmt::format("camera {}", camera)},
                    {"values", {100 * sum / n, 100 * static_cast<double>(entry.second) / n, entry.first.size()}}});
  }
  return {{"kind", "items"},
          {"title", "By the query's camera"},
          {"item", "camera"},
          {"columns", {{{"name", "mAP"}, {"unit", "%"}}, {{"name", "CMC rank-1"}, {"unit", "%"}}, {{"name", "queries"}}}},
          {"rows", rows}};
}

Json ap_histogram(const std::vector<double>& ap) {
  std::vector<std::int64_t> counts(10);
  for (const double value : ap)
    if (!std::isnan(value)) ++counts[static_cast<std::size_t>(std::min(9.0, std::floor(value * 10)))];
  Json rows = Json::array();
  for (int i = 0; i < 10; ++i)
    rows.push_back({{"name", fmt::format("{} to {} %", 10 * i, 10 * i + 10)}, {"values", {counts[static_cast<std::size_t>(i)]}}});
  return {{"kind", "items"}, {"title", "Queries by average precision"}, {"item", "average precision"},
          {"ordered", true}, {"columns", {{{"name", "queries"}}}},      {"rows", rows}};
}

Json galleries(Scoring& s, const std::vector<double>& ap) {
  const auto which = best_and_worst(ap, s.options.show);
  s.find_nearest(which);
  Json list = Json::array();
  for (const auto q : which) {
    const auto at = static_cast<std::size_t>(q);
    Json ranked = Json::array();
    for (const auto g : s.nearest[at]) {
      Json entry = shown(s.items.names[static_cast<std::size_t>(g)], s.items.images[static_cast<std::size_t>(g)]);
      entry["right"] = s.gallery.right(s.queries.sightings[at], g);
      ranked.push_back(std::move(entry));
    }
    list.push_back(
        {{"query", shown(fmt::format("{} (AP {:.1f} %)", s.queries.names[at], 100 * ap[at]), s.queries.images[at])}, {"ranked", ranked}});
  }
  return {{"kind", "gallery"}, {"title", "Queries with the highest and the lowest average precision"}, {"queries", list}};
}

Json cmc_curves(const std::vector<std::pair<std::string, std::vector<double>>>& curves) {
  Json series = Json::array();
  for (const auto& [name, cmc] : curves) {
    Json x = Json::array(), y = Json::array();
    for (std::size_t k = 0; k < cmc.size(); ++k) {
      x.push_back(k + 1);
      y.push_back(100 * cmc[k]);
    }
    series.push_back({{"name", name}, {"x", x}, {"y", y}});
  }
  return {{"kind", "curves"},
          {"title", "Cumulative matching characteristic"},
          {"x", "rank"},
          {"y", "queries with a match (%)"},
          {"series", series}};
}

void check(const ReidOptions& options, const FeatureFile& query, const FeatureFile& gallery, const People& queries, const People& items) {
  if (query.rows().dim != gallery.rows().dim)
    fail(Exit::bad_data, "{}: queries have {} dimensions, the gallery ({}) {}", query.name(), query.rows().dim, gallery.name(),
         gallery.rows().dim);
  if (options.same_camera == "drop" && !(queries.cameras && items.cameras))
    fail(Exit::bad_data, "{}: tells no cameras (a column 'camera' or 'camid', or an array with them); --same-camera keep scores without",
         queries.cameras ? items.file : queries.file);
  if (!options.special_identities) return;
  for (std::size_t q = 0; q < queries.sightings.size(); ++q)
    if (const auto identity = queries.sightings[q].identity; identity == 0 || identity == -1)
      fail(Exit::bad_data,
           "{}: query {} ({}) has identity {}, which stands for {} in the gallery; --no-special-identities takes all identities as they "
           "are",
           queries.file, q, queries.names[q], identity, identity == 0 ? "distractors" : "junk");
}

}  // namespace

manifest::Metrics score_reid(const ReidOptions& options, int threads) {
  if (options.query.empty()) fail(Exit::usage, "give the features of the queries with --query");
  const auto distance = options.metric == "cosine" ? metrics::Distance::cosine : metrics::Distance::euclidean;
  const bool alone = options.gallery.empty();
  const FeatureFile query(options.query);
  const std::unique_ptr<FeatureFile> other = alone ? nullptr : std::make_unique<FeatureFile>(options.gallery);
  const FeatureFile& gallery = alone ? query : *other;
  const People queries = read_people(query, options.query_items, options.images, options.identity_array, options.camera_array);
  const People items =
      alone ? queries : read_people(gallery, options.gallery_items, options.images, options.identity_array, options.camera_array);
  check(options, query, gallery, queries, items);
  query.check(distance, threads);
  if (!alone) gallery.check(distance, threads);

  const metrics::GalleryRules rules{options.same_camera == "drop", alone, options.special_identities};
  const metrics::Gallery by_identity(items.sightings, rules);
  Scoring s{options, threads, distance, queries, items, by_identity, query.rows(), gallery.rows()};
  s.run();

  const std::int64_t deepest =
      std::max(options.depth, options.ranks.empty() ? 1 : *std::max_element(options.ranks.begin(), options.ranks.end()));
  const auto figures = metrics::ranking_figures(s.ranked, deepest);
  if (figures.queries == 0)
    fail(Exit::bad_data, "none of the {} queries has a match in the gallery ({})", figures.without_match, gallery.name());
  if (figures.without_match > 0)
    core::log_warning("{} of the {} queries have no match in the gallery and are left out", figures.without_match, s.ranked.size());

  Json protocol = {{"protocol", options.protocol},       {"distance", options.metric},
                   {"queries", figures.queries},         {"queries without a match", figures.without_match},
                   {"gallery", items.sightings.size()},  {"identities from", queries.source},
                   {"same camera", options.same_camera}, {"ties", "a wrong item before a right one"}};
  if (options.special_identities) {
    protocol["junk"] = by_identity.junk().size();
    protocol["distractors"] = by_identity.of(metrics::GalleryRules::distractor).size();
  }
  if (options.rerank)
    protocol["re-ranking"] = {{"k1", options.k1}, {"k2", options.k2}, {"lambda", options.lambda}, {"distance", options.rerank_distance}};
  manifest::Metrics out;
  const std::string split = query.manifest() ? query.manifest()->split : "";
  const auto row = [&](const std::string& name, double value, const Json& more) {
    Json full = protocol;
    full.update(more);
    out.rows.push_back({.name = name, .value = 100 * value, .unit = "%", .split = split, .protocol = std::move(full)});
  };
  if (options.ap != "trapezoid") row("mAP", figures.mean_ap, {{"AP", "step"}});
  if (options.ap != "step") row("mAP", figures.mean_trapezoid_ap, {{"AP", "trapezoid"}});
  row("mINP", figures.mean_inp, Json::object());
  std::vector<std::pair<std::string, std::vector<double>>> curves;
  const auto cmc_rows = [&](const std::string& name, const std::vector<double>& cmc, const Json& more) {
    for (const auto k : options.ranks) row(fmt::format("CMC rank-{}", k), cmc[static_cast<std::size_t>(k - 1)], more);
    curves.emplace_back(name, std::vector<double>(cmc.begin(), cmc.begin() + options.depth));
  };
  if (s.cuhk03()) {
    const Json draws = {{"gallery shot", "one image of each identity"}, {"repeats", options.repeats}, {"seed", options.seed}};
    const auto with = [&](const char* distractors) {
      Json more = draws;
      if (s.distractors()) more["distractors count as"] = distractors;
      return more;
    };
    cmc_rows(options.protocol, metrics::single_shot_cmc(s.single, deepest), with("one identity, as in torchreid"));
    if (s.distractors()) cmc_rows("distractors apart", metrics::single_shot_cmc(s.single_apart, deepest), with("an identity each"));
  } else {
    cmc_rows(options.protocol, figures.cmc, Json::object());
  }

  std::vector<double> ap;
  for (const auto& one : s.ranked)
    ap.push_back(one.ranks.empty()           ? std::numeric_limits<double>::quiet_NaN()
                 : options.ap == "trapezoid" ? metrics::trapezoid_average_precision(one)
                                             : metrics::average_precision(one));
  out.breakdowns = {cmc_curves(curves), ap_histogram(ap)};
  if (queries.cameras) out.breakdowns.push_back(by_camera(s, ap));
  if (options.show > 0) out.breakdowns.push_back(galleries(s, ap));
  out.inputs = {query.input()};
  if (!alone) out.inputs.push_back(gallery.input());
  for (const auto& file : {options.query_items, options.gallery_items})
    if (!file.empty()) out.inputs.push_back(file_entry(file));
  if (query.manifest()) out.model = query.manifest()->model;
  say_headline("",
               {{"mAP", 100 * (options.ap == "trapezoid" ? figures.mean_trapezoid_ap : figures.mean_ap), "%"},
                {"CMC rank-1", 100 * curves.front().second.front(), "%"},
                {"mINP", 100 * figures.mean_inp, "%"}},
               fmt::format("{} queries, gallery of {}", figures.queries, items.sightings.size()));
  return out;
}

}  // namespace selfsight::score
