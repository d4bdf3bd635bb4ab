#include "score/highlight.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "metrics/highlight.h"
#include "metrics/statistics.h"
#include "score/headline.h"
#include "score/highlight_queries.h"
#include "score/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::Json;

void HighlightOptions::describe(core::Options& o) {
  o.group("Input");
  o.add("truth", &truth,
        "JSON Lines with vid, domain and match (positive where above 0) or label; TVSum's annotations, {VIDEO: {domain, anno: clips x "
        "annotators}}; or QVHighlights' JSON Lines")
      .metavar("FILE");
  o.add("predictions", &predictions, "JSON Lines with vid and scores, one number a clip; for QVHighlights qid and pred_saliency_scores")
      .metavar("FILE");
  o.add("videos", &videos, "score these videos alone: JSON Lines with vid, or .txt with one a line").metavar("FILE");
  o.group("Protocol");
  o.add("protocol", &protocol,
        "youtube: clips marked or not, AP over all clips; tvsum: for each annotator, clips above the lower median of that annotator are "
        "positive, AP over the best --top; qvhighlights: clips that an annotator finds very good (4), good or fair; auto: youtube where "
        "the truth has match, qvhighlights where it has saliency_scores, tvsum otherwise")
      .choices({"auto", "youtube", "tvsum", "qvhighlights"});
  o.add("ap", &ap, "average precision by trapezoids (UMT and what follows it) or by steps (scikit-learn)")
      .choices({"trapezoid", "step"})
      .only_with("protocol", {"auto", "youtube", "tvsum"});
  o.add("top", &top, "tvsum: clips that count").range(1, 1e6).only_with("protocol", {"auto", "tvsum"});
}

namespace {

/// A video's clips as people marked them: annotators x clips.
struct Video {
  std::string name, domain, place;
  std::vector<std::vector<std::uint8_t>> positive;
  std::size_t clips = 0;
};

Video youtube_video(const Json& object, const std::string& place) {
  Video out;
  const bool match = object.contains("match");
  const std::string at = place + (match ? ": match" : ": label");
  std::vector<double> values;
  if (match) {
    values = number_list(object["match"], at);
  } else {
    for (const auto& clip : number_lists(field(object, "label", place), at)) values.push_back(clip.front());
  }
  out.positive.emplace_back();
  for (const double value : values) out.positive[0].push_back(value > 0 ? 1 : 0);
  return out;
}

std::vector<Video> read_truth(const HighlightOptions& options, std::string& protocol) {
  std::vector<Video> out;
  std::set<std::string> seen;
  const auto take = [&](const std::string& name, const Json& object, const std::string& place, const char* marks) {
    if (protocol == "auto") protocol = object.contains("match") ? "youtube" : "tvsum";
    Video video;
    if (protocol == "youtube") {
      video = youtube_video(object, place);
    } else {
      video.positive = metrics::above_median(number_lists(field(object, marks, place), fmt::format("{}: {}", place, marks)));
    }
    video.name = name;
    video.place = place;
    video.domain = text_field(object, "domain", place);
    video.clips = video.positive.front().size();
    if (video.clips == 0) fail(Exit::bad_data, "{}: {} has no clips", place, name);
    if (!seen.insert(name).second) fail(Exit::bad_data, "{}: {} is there twice", place, name);
    if (!out.empty() && video.positive.size() != out.front().positive.size())
      fail(Exit::bad_data, "{}: {} has {} annotators, {} has {}", place, name, video.positive.size(), out.front().name,
           out.front().positive.size());
    out.push_back(std::move(video));
  };
  if (manifest::fs::path(options.truth).extension() == ".jsonl") {
    for_each_json_line(options.truth, [&](const Json& object, const std::string& place) {
      take(text_field(object, "vid", place), object, place, object.contains("anno") ? "anno" : "label");
    });
  } else {
    const std::string content = core::read_text(options.truth);
    if (content.find_first_not_of(" \t\r\n") == std::string::npos) fail(Exit::bad_data, "{}: is empty", options.truth);
    const Json all = manifest::parse_json(content, options.truth);
    if (!all.is_object()) fail(Exit::bad_data, "{}: is not a JSON object of videos (JSON Lines end in .jsonl)", options.truth);
    for (const auto& [name, object] : all.items())
      take(name, object, fmt::format("{}: /{}", options.truth, name), object.is_object() && object.contains("anno") ? "anno" : "label");
  }
  if (out.empty()) fail(Exit::bad_data, "{}: has no videos", options.truth);
  return out;
}

void select(std::vector<Video>& videos, const HighlightOptions& options) {
  if (options.videos.empty()) return;
  std::set<std::string> wanted;
  if (manifest::fs::path(options.videos).extension() == ".jsonl") {
    for_each_json_line(options.videos,
                       [&](const Json& object, const std::string& place) { wanted.insert(text_field(object, "vid", place)); });
  } else {
    const Table table = Table::read(options.videos, {"vid"});
    for (std::size_t i = 0; i < table.size(); ++i) wanted.insert(table.text(i, "vid"));
  }
  std::vector<Video> kept;
  for (auto& video : videos)
    if (wanted.erase(video.name) > 0) kept.push_back(std::move(video));
  if (!wanted.empty()) fail(Exit::bad_data, "{}: {} is not among the videos of {}", options.videos, *wanted.begin(), options.truth);
  if (kept.empty()) fail(Exit::bad_data, "{}: names no videos", options.videos);
  videos = std::move(kept);
}

std::map<std::string, std::vector<double>> read_scores(const HighlightOptions& options, const std::vector<Video>& videos) {
  std::map<std::string, const Video*> known;
  for (const auto& video : videos) known.emplace(video.name, &video);
  std::map<std::string, std::vector<double>> out;
  for_each_json_line(options.predictions, [&](const Json& object, const std::string& place) {
    const std::string name = text_field(object, "vid", place);
    if (!known.contains(name)) {
      if (!options.videos.empty()) return;  // a part of the set was asked for
      fail(Exit::bad_data, "{}: {} is not among the videos of {}", place, name, options.truth);
    }
    const auto scores = number_list(field(object, "scores", place), place + ": scores");
    if (scores.size() != known[name]->clips)
      fail(Exit::bad_data, "{}: {} has {} scores for {} clips ({})", place, name, scores.size(), known[name]->clips, known[name]->place);
    if (!out.emplace(name, scores).second) fail(Exit::bad_data, "{}: {} is there twice", place, name);
  });
  for (const auto& video : videos)
    if (!out.contains(video.name))
      fail(Exit::bad_data, "{}: has no scores for {} ({}); --videos scores a part of the set", options.predictions, video.name,
           video.place);
  return out;
}

/// Means over annotators.
struct Result {
  double ap = 0, hit = 0;
  bool without_positive = false, constant = false;
};

Result score_video(const Video& video, const std::vector<double>& scores, metrics::ApRule rule, std::int64_t depth) {
  const auto order = metrics::by_score(scores);
  std::vector<double> aps, hits;
  Result out;
  out.without_positive = true;
  for (const auto& positive : video.positive) {
    aps.push_back(metrics::highlight_ap(order, positive, rule, depth));
    hits.push_back(positive[static_cast<std::size_t>(order.front())] != 0 ? 1 : 0);
    if (std::count(positive.begin(), positive.end(), 0) < static_cast<std::ptrdiff_t>(positive.size())) out.without_positive = false;
  }
  out.ap = metrics::mean(aps);
  out.hit = metrics::mean(hits);
  out.constant = scores.size() > 1 && std::all_of(scores.begin(), scores.end(), [&](double score) { return score == scores.front(); });
  return out;
}

}  // namespace

manifest::Metrics score_highlights(const HighlightOptions& options) {
  if (options.truth.empty() || options.predictions.empty())
    fail(Exit::usage, "give the marked videos with --truth and the scores with --predictions");
  if (options.protocol == "qvhighlights" || (options.protocol == "auto" && asks_by_query(options.truth))) return score_queries(options);
  std::string protocol = options.protocol;
  std::vector<Video> videos = read_truth(options, protocol);
  select(videos, options);
  const auto scores = read_scores(options, videos);
  const bool tvsum = protocol == "tvsum";
  if (!tvsum && options.top != HighlightOptions().top)
    fail(Exit::usage, "--top: has no effect on {}, which marks clips as YouTube Highlights does", options.truth);
  if (tvsum && videos.front().positive.size() == 1)
    core::log_warning("{}: one score a clip, as of a single annotator; TVSum's published figures are means over its 20", options.truth);
  const auto rule = options.ap == "step" ? metrics::ApRule::step : metrics::ApRule::trapezoid;

  struct Domain {
    std::vector<double> aps, hits;
    std::int64_t without_positive = 0, constant = 0;
  };
  std::map<std::string, Domain> domains;
  Json by_video = Json::array();
  for (const auto& video : videos) {
    const Result result = score_video(video, scores.at(video.name), rule, tvsum ? options.top : 0);
    Domain& domain = domains[video.domain];
    domain.aps.push_back(result.ap);
    domain.hits.push_back(result.hit);
    domain.without_positive += result.without_positive ? 1 : 0;
    domain.constant += result.constant ? 1 : 0;
    if (result.constant) core::log_warning("{}: all its scores are equal, its clips stand in their own order", video.name);
    by_video.push_back({{"name", video.name}, {"values", {100 * result.ap, 100 * result.hit, video.clips}}});
  }

  manifest::Metrics out;
  const std::string name = tvsum ? fmt::format("top-{} mAP", options.top) : "highlight mAP";
  const auto protocol_of = [&](std::size_t count, std::int64_t without_positive, std::int64_t constant) {
    Json json = {{"protocol", protocol},
                 {"AP", options.ap},
                 {"videos", count},
                 {"videos without a positive", without_positive},
                 {"videos with equal scores", constant},
                 {"ties", "in the order of the clips"}};
    if (tvsum) {
      json["annotators"] = videos.front().positive.size();
      json["positive"] = "above the lower median of the annotator";
      json["recall"] = fmt::format("of the positives among the best {}", options.top);
    }
    return json;
  };
  std::vector<double> aps, hits;
  std::int64_t without_positive = 0, constant = 0;
  Json by_domain = Json::array();
  std::vector<manifest::Row> domain_rows;
  for (const auto& [domain, entry] : domains) {
    aps.push_back(metrics::mean(entry.aps));
    hits.push_back(metrics::mean(entry.hits));
    without_positive += entry.without_positive;
    constant += entry.constant;
    Json json = protocol_of(entry.aps.size(), entry.without_positive, entry.constant);
    json["domain"] = domain;
    domain_rows.push_back({.name = fmt::format("{} ({})", name, domain), .value = 100 * aps.back(), .unit = "%", .protocol = json});
    by_domain.push_back({{"name", domain}, {"values", {100 * aps.back(), 100 * hits.back(), entry.aps.size()}}});
  }
  Json json = protocol_of(videos.size(), without_positive, constant);
  json["mean over"] = fmt::format("{} domains", domains.size());
  out.rows.push_back({.name = name, .value = 100 * metrics::mean(aps), .unit = "%", .protocol = json});
  json.erase("AP");
  json["hit"] = tvsum ? "share of annotators for whom the best clip is positive" : "the best clip is positive";
  out.rows.push_back({.name = "HIT@1", .value = 100 * metrics::mean(hits), .unit = "%", .protocol = json});
  out.rows.insert(out.rows.end(), domain_rows.begin(), domain_rows.end());
  const auto items = [&](const char* title, const char* item, const char* last, const Json& rows) {
    return Json{{"kind", "items"},
                {"title", title},
                {"item", item},
                {"columns", {{{"name", tvsum ? name : "AP"}, {"unit", "%"}}, {{"name", "HIT@1"}, {"unit", "%"}}, {{"name", last}}}},
                {"rows", rows}};
  };
  out.breakdowns = {items("By domain", "domain", "videos", by_domain), items("By video", "video", "clips", by_video)};
  for (const auto& file : {options.truth, options.predictions, options.videos})
    if (!file.empty()) out.inputs.push_back(file_entry(file));
  say_headline("", {{name, out.rows[0].value, "%"}, {"HIT@1", out.rows[1].value, "%"}},
               fmt::format("{} videos, {} domains", videos.size(), domains.size()));
  return out;
}

}  // namespace selfsight::score
