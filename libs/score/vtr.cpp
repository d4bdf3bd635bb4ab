#include "score/vtr.h"

#include "core/error.h"
#include "metrics/ranking.h"
#include "metrics/retrieval.h"
#include "score/features.h"
#include "score/headline.h"
#include "score/shown.h"
#include "score/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::Json;

void VtrOptions::describe(core::Options& o) {
  o.group("Input");
  o.add("text", &text, "features of the captions: a features manifest, .safetensors or .npy").metavar("FILE");
  o.add("video", &video, "features of the videos (or images)").metavar("FILE");
  o.add("similarity", &similarity, "instead of both: captions x videos, .npy or .safetensors (\"similarity\", or its only array)")
      .metavar("FILE");
  o.add("captions", &captions,
        "which video each caption row belongs to: CSV or JSON Lines with video (video_id, vid) and, to be shown, caption (sentence, text); "
        "or "
        ".npy of video rows. Default: caption i belongs to video i")
      .metavar("FILE");
  o.add("videos", &videos, "names of the video rows, .txt with one a line; default: in the order in which the captions name them")
      .metavar("FILE");
  o.group("Protocol");
  o.add("ks", &ks, "k of the recalls").range(1, 1e9).distinct();
  o.add("dual-softmax", &dual_softmax,
        "rank by s * softmax(s / temperature) over all queries of a candidate: looks at the whole test set, not comparable without");
  o.add("temperature", &temperature, "of the dual softmax").range(1e-6, 1e6).only_with("dual-softmax");
  o.add("show", &show, "best and worst queries of each direction to list, so many each").range(0, 1000);
}

namespace {

constexpr std::int64_t shown_ranks = 10, curve_depth = 50;

/// Captions and the videos they belong to.
struct Pairs {
  std::vector<std::int64_t> video_of;
  std::vector<std::string> texts, videos;  // texts may be empty
  std::string source = "row i with row i";
};

/// One way of asking: who asks whom, by which rows.
struct Direction {
  std::string name;
  std::int64_t queries = 0, candidates = 0;
  std::vector<std::int64_t> query_video, candidate_video;
};

/// Where similarities come from; rows as distances.
class Similarities {
 public:
  Similarities(const VtrOptions& options, int threads) : options_(options), threads_(threads) {
    if (!options.similarity.empty()) {
      if (!options.text.empty() || !options.video.empty()) fail(Exit::usage, "give --similarity, or --text and --video, not both");
      matrix_ = std::make_unique<ArrayFile>(options.similarity);
      view_ = matrix_->at("similarity");
      if (view_.shape.size() != 2 || view_.elements() == 0)
        fail(Exit::bad_data, "{}: should be a matrix, captions x videos, its shape is ({})", options.similarity,
             fmt::join(view_.shape, ", "));
      check_matrix();
      return;
    }
    if (options.text.empty() || options.video.empty())
      fail(Exit::usage, "give the features with --text and --video, or a matrix with --similarity");
    text_ = std::make_unique<FeatureFile>(options.text);
    video_ = std::make_unique<FeatureFile>(options.video);
    if (text_->rows().dim != video_->rows().dim)
      fail(Exit::bad_data, "{}: captions have {} dimensions, videos ({}) {}", text_->name(), text_->rows().dim, video_->name(),
           video_->rows().dim);
    text_->check(metrics::Distance::cosine, threads);
    video_->check(metrics::Distance::cosine, threads);
  }

  [[nodiscard]] std::int64_t captions() const { return matrix_ ? view_.shape[0] : text_->rows().count; }
  [[nodiscard]] std::int64_t videos() const { return matrix_ ? view_.shape[1] : video_->rows().count; }
  [[nodiscard]] std::vector<Json> inputs() const {
    if (matrix_) return {file_entry(options_.similarity)};
    return {text_->input(), video_->input()};
  }
  [[nodiscard]] Json model() const { return text_ && text_->manifest() ? text_->manifest()->model : Json(); }

  void for_each_row(bool from_text, const std::function<void(metrics::DistanceRow&)>& take) const {
    if (matrix_ == nullptr && !options_.dual_softmax) {
      const auto &queries = from_text ? text_->rows() : video_->rows(), &candidates = from_text ? video_->rows() : text_->rows();
      metrics::for_each_row({queries, candidates, metrics::Distance::cosine, threads_}, block_options(threads_), take);
      return;
    }
    metrics::SimilarityTable table{from_text ? captions() : videos(), from_text ? videos() : captions(), nullptr};
    std::unique_ptr<metrics::ExactDistance> cosine;
    if (matrix_) {
      table.at = [this, from_text](std::int64_t q, std::int64_t c) {
        return element(view_, from_text ? q * view_.shape[1] + c : c * view_.shape[1] + q);
      };
    } else {
      cosine = std::make_unique<metrics::ExactDistance>(from_text ? text_->rows() : video_->rows(),
                                                        from_text ? video_->rows() : text_->rows(), metrics::Distance::cosine, threads_);
      table.at = [&](std::int64_t q, std::int64_t c) { return 1 - (*cosine)(q, c); };
    }
    if (options_.dual_softmax) table = metrics::dual_softmax(table, options_.temperature, threads_);
    metrics::for_each_row(table, threads_, take);
  }

 private:
  void check_matrix() const {
    for (std::int64_t i = 0; i < view_.elements(); ++i)
      if (const double value = element(view_, i); !std::isfinite(value))
        fail(Exit::bad_data, "{}: row {}, column {} is {}: similarities must be finite numbers", options_.similarity, i / view_.shape[1],
             i % view_.shape[1], value);
  }

  const VtrOptions& options_;
  int threads_;
  std::unique_ptr<ArrayFile> matrix_;
  manifest::TensorView view_;
  std::unique_ptr<FeatureFile> text_, video_;
};

Pairs read_pairs(const VtrOptions& options, std::int64_t captions, std::int64_t videos) {
  Pairs out;
  if (!options.videos.empty()) {
    const Table table = Table::read(options.videos, {"video"});
    for (std::size_t i = 0; i < table.size(); ++i) out.videos.push_back(table.text(i, "video"));
    if (static_cast<std::int64_t>(out.videos.size()) != videos)
      fail(Exit::bad_data, "{}: names {} videos, there are {} rows", options.videos, out.videos.size(), videos);
  }
  const bool named = !out.videos.empty();
  const auto check_count = [&](std::size_t count) {
    if (static_cast<std::int64_t>(count) != captions)
      fail(Exit::bad_data, "{}: has {} captions, there are {} rows", options.captions, count, captions);
  };
  if (options.captions.empty()) {
    if (captions != videos)
      fail(Exit::bad_data, "{} captions and {} videos: say with --captions which caption belongs to which video", captions, videos);
    for (std::int64_t i = 0; i < captions; ++i) out.video_of.push_back(i);
  } else if (is_array_file(options.captions)) {
    out.video_of = whole_numbers(ArrayFile(options.captions).at(""), options.captions);
    out.source = "captions file";
    check_count(out.video_of.size());
    for (std::size_t i = 0; i < out.video_of.size(); ++i)
      if (out.video_of[i] < 0 || out.video_of[i] >= videos)
        fail(Exit::bad_data, "{}: caption {} belongs to video {}, there are {}", options.captions, i, out.video_of[i], videos);
  } else {
    const Table table = Table::read(options.captions);
    out.source = "captions file";
    check_count(table.size());
    const std::string video = table.column({"video", "video_id", "vid"}), text = table.column({"caption", "sentence", "text"});
    if (video.empty()) table.lacks("video, video_id or vid");
    std::map<std::string, std::int64_t> rows;
    for (std::size_t i = 0; i < out.videos.size(); ++i)
      if (!rows.emplace(out.videos[i], static_cast<std::int64_t>(i)).second)
        fail(Exit::bad_data, "{}: names '{}' twice", options.videos, out.videos[i]);
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::string& name = table.text(i, video);
      const auto [it, added] = rows.emplace(name, static_cast<std::int64_t>(rows.size()));
      if (added && named) fail(Exit::bad_data, "{}: '{}' is not among the videos of {}", table.place(i), name, options.videos);
      if (added) out.videos.push_back(name);
      out.video_of.push_back(it->second);
      if (!text.empty()) out.texts.push_back(table.text(i, text));
    }
    if (static_cast<std::int64_t>(rows.size()) != videos)
      fail(Exit::bad_data, "{}: names {} videos, there are {} rows; where some have no caption, --videos names them all", options.captions,
           rows.size(), videos);
  }
  for (auto i = static_cast<std::int64_t>(out.videos.size()); i < videos; ++i) out.videos.push_back(fmt::format("video {}", i));
  return out;
}

/// Ranks of the first right candidate; 0 for a query that has none.
struct Ranks {
  std::vector<std::int64_t> among_candidates, among_videos;
  std::vector<std::vector<std::int64_t>> nearest;
};

Ranks rank_all(const Similarities& similarities, bool from_text, const Direction& direction, bool grouped, std::int64_t videos,
               bool keep_nearest) {
  std::vector<metrics::Sighting> items;
  for (const auto video : direction.candidate_video) items.push_back({video, 0});
  const metrics::Gallery gallery(items, {.drop_same_camera = false, .special_identities = false});
  Ranks out;
  const auto count = static_cast<std::size_t>(direction.queries);
  out.among_candidates.resize(count);
  out.among_videos.resize(grouped ? count : 0);
  out.nearest.resize(count);
  similarities.for_each_row(from_text, [&](metrics::DistanceRow& row) {
    const auto q = static_cast<std::size_t>(row.query);
    const std::int64_t video = direction.query_video[q];
    const auto ranked = metrics::rank_query(row, {video, 0}, gallery);
    if (ranked.ranks.empty()) return;
    out.among_candidates[q] = ranked.ranks.front();
    if (grouped) out.among_videos[q] = metrics::group_rank(row, direction.candidate_video, videos, video);
    if (keep_nearest) out.nearest[q] = row.nearest(shown_ranks);
  });
  return out;
}

std::vector<std::int64_t> present(const std::vector<std::int64_t>& ranks) {
  std::vector<std::int64_t> out;
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(out), [](auto rank) { return rank > 0; });
  return out;
}

Json gallery(const Direction& direction, const Ranks& ranks, const Pairs& pairs, bool from_text, std::int64_t show) {
  const auto caption = [&](std::int64_t i) {
    return shown(fmt::format("caption {}", i), {}, pairs.texts.empty() ? "" : pairs.texts[static_cast<std::size_t>(i)]);
  };
  const auto video = [&](std::int64_t i) { return shown(pairs.videos[static_cast<std::size_t>(i)]); };
  std::vector<double> order;
  for (const auto rank : ranks.among_candidates) order.push_back(rank > 0 ? -static_cast<double>(rank) : std::nan(""));
  Json queries = Json::array();
  for (const auto q : best_and_worst(order, show)) {
    const auto at = static_cast<std::size_t>(q);
    Json query = from_text ? caption(q) : video(q), ranked = Json::array();
    query["name"] = fmt::format("{} (rank {})", query["name"].get<std::string>(), ranks.among_candidates[at]);
    for (const auto c : ranks.nearest[at]) {
      Json entry = from_text ? video(c) : caption(c);
      entry["right"] = direction.candidate_video[static_cast<std::size_t>(c)] == direction.query_video[at];
      ranked.push_back(std::move(entry));
    }
    queries.push_back({{"query", query}, {"ranked", ranked}});
  }
  return {{"kind", "gallery"}, {"title", direction.name + ": queries with the best and the worst rank"}, {"queries", queries}};
}

}  // namespace

manifest::Metrics score_vtr(const VtrOptions& options, int threads) {
  if (options.ks.empty()) fail(Exit::usage, "--ks: at least one k");
  const Similarities similarities(options, threads);
  const std::int64_t captions = similarities.captions(), videos = similarities.videos();
  const Pairs pairs = read_pairs(options, captions, videos);
  std::vector<std::int64_t> every_video;
  for (std::int64_t v = 0; v < videos; ++v) every_video.push_back(v);
  const std::vector<Direction> directions = {{"text to video", captions, videos, pairs.video_of, every_video},
                                             {"video to text", videos, captions, every_video, pairs.video_of}};
  const bool several = captions != videos || !std::is_permutation(pairs.video_of.begin(), pairs.video_of.end(), every_video.begin());

  manifest::Metrics out;
  Json curve = Json::array(), table = Json::array();
  std::vector<Json> galleries;
  std::vector<Figure> headline;
  for (const auto& direction : directions) {
    const bool from_text = &direction == &directions.front();
    const Ranks ranks = rank_all(similarities, from_text, direction, several && !from_text, videos, options.show > 0);
    const auto report = [&](const std::vector<std::int64_t>& all, const std::string& ranked) {
      const auto known = present(all);
      Json protocol = {{"direction", direction.name},
                       {"ranked", ranked},
                       {"queries", known.size()},
                       {"queries without a match", all.size() - known.size()},
                       {"candidates", ranked == "captions" ? captions : videos},
                       {"captions", captions},
                       {"similarity", options.similarity.empty() ? "cosine" : "as given"},
                       {"pairs", pairs.source},
                       {"ties", "a wrong candidate before a right one"}};
      if (options.dual_softmax) protocol["dual softmax"] = {{"temperature", options.temperature}};
      const auto figures = metrics::retrieval_figures(known, options.ks);
      for (std::size_t i = 0; i < options.ks.size(); ++i)
        out.rows.push_back(
            {.name = fmt::format("R@{}", options.ks[i]), .value = 100 * figures.recall[i], .unit = "%", .protocol = protocol});
      out.rows.push_back({.name = "median rank", .value = figures.median_rank, .protocol = protocol});
      out.rows.push_back({.name = "mean rank", .value = figures.mean_rank, .protocol = protocol});
      std::vector<std::int64_t> up_to;
      for (std::int64_t k = 1; k <= curve_depth; ++k) up_to.push_back(k);
      Json x = Json::array(), y = Json::array();
      for (const double recall : metrics::retrieval_figures(known, up_to).recall) {
        x.push_back(x.size() + 1);
        y.push_back(100 * recall);
      }
      curve.push_back({{"name", fmt::format("{}, {} ranked", direction.name, ranked)}, {"x", x}, {"y", y}});
      Json counts = Json::array();
      for (const auto& [low, high] : {std::pair(1, 1), {2, 5}, {6, 10}, {11, 50}, {51, 1 << 30}})
        counts.push_back(
            std::count_if(known.begin(), known.end(), [low = low, high = high](auto rank) { return rank >= low && rank <= high; }));
      table.push_back({{"name", fmt::format("{}, {} ranked", direction.name, ranked)}, {"values", counts}});
    };
    const std::size_t rows_before = out.rows.size();
    if (!present(ranks.among_candidates).empty()) {
      report(ranks.among_candidates, from_text ? "videos" : "captions");
      if (several && !from_text) report(ranks.among_videos, "videos by their best caption");
    }
    // The first row of the direction: R at the first k.
    if (out.rows.size() > rows_before)
      headline.push_back({fmt::format("{} {}", direction.name, out.rows[rows_before].name), out.rows[rows_before].value, "%"});
    if (options.show > 0) galleries.push_back(gallery(direction, ranks, pairs, from_text, options.show));
  }
  out.breakdowns = {
      {{"kind", "curves"}, {"title", "Recall by rank"}, {"x", "k"}, {"y", "R@k (%)"}, {"series", curve}},
      {{"kind", "items"},
       {"title", "Queries by the rank of the first right candidate"},
       {"item", "direction"},
       {"columns", {{{"name", "rank 1"}}, {{"name", "2 to 5"}}, {{"name", "6 to 10"}}, {{"name", "11 to 50"}}, {{"name", "beyond 50"}}}},
       {"rows", table}}};
  out.breakdowns.insert(out.breakdowns.end(), galleries.begin(), galleries.end());
  out.inputs = similarities.inputs();
  for (const auto& file : {options.captions, options.videos})
    if (!file.empty()) out.inputs.push_back(file_entry(file));
  out.model = similarities.model();
  say_headline("", headline, fmt::format("{} captions, {} videos", captions, videos));
  return out;
}

}  // namespace selfsight::score
