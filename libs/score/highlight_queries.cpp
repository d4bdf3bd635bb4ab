#include "score/highlight_queries.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "metrics/highlight.h"
#include "metrics/statistics.h"
#include "score/headline.h"
#include "score/table.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace selfsight::score {

namespace {

using core::Exit;
using core::fail;
using manifest::Json;

constexpr double seconds_of_clip = 2, longest_video = 1e5;
constexpr std::size_t usual_annotators = 3, most_annotators = 100;

struct Level {
  const char* name;
  double least;
};
constexpr Level levels[] = {{"very good", 4}, {"good", 3}, {"fair", 2}};

struct Query {
  std::string place;
  std::size_t clips = 0, annotators = usual_annotators;
  std::map<std::size_t, std::vector<double>> marks;  ///< by clip, one of each annotator; a clip that is not there has 0 of all
};

std::string id_of(const Json& object, const std::string& place) {
  const Json& id = field(object, "qid", place);
  return id.is_string() ? id.get<std::string>() : id.dump();
}

Query query_of(const Json& object, const std::string& place) {
  const Json& duration = field(object, "duration", place);
  if (!duration.is_number() || !(duration.get<double>() >= seconds_of_clip && duration.get<double>() <= longest_video))
    fail(Exit::bad_data, "{}: \"duration\" is no number of seconds from {} to {} ({})", place, seconds_of_clip, longest_video,
         duration.dump());
  const auto clips = static_cast<std::size_t>(duration.get<double>() / seconds_of_clip);
  const auto ids = number_list(field(object, "relevant_clip_ids", place), place + ": relevant_clip_ids");
  const Json& scores = field(object, "saliency_scores", place);
  const auto marks = ids.empty() ? std::vector<std::vector<double>>() : number_lists(scores, place + ": saliency_scores");
  if (marks.size() != ids.size()) fail(Exit::bad_data, "{}: saliency_scores of {} clips for {} ids", place, marks.size(), ids.size());
  Query out{.place = place, .clips = clips, .annotators = marks.empty() ? usual_annotators : marks.front().size(), .marks = {}};
  if (out.annotators > most_annotators) fail(Exit::bad_data, "{}: marks of {} annotators", place, out.annotators);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!(ids[i] >= 0 && ids[i] < static_cast<double>(clips)) || ids[i] != std::floor(ids[i]))
      fail(Exit::bad_data, "{}: clip {} is none of the {} of {} s", place, ids[i], clips, seconds_of_clip);
    out.marks[static_cast<std::size_t>(ids[i])] = marks[i];
  }
  return out;
}

/// At one level.
struct Result {
  double ap = 0, hit = 0;
};

Result result_of(const Query& query, const std::vector<double>& scores, double least) {
  const std::size_t clips = query.clips;
  std::vector<double> within(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(std::min(clips, scores.size())));
  within.resize(clips);
  Result out;
  for (std::size_t a = 0; a < query.annotators; ++a) {
    std::vector<std::uint8_t> positive(clips, 0 >= least ? 1 : 0);
    for (const auto& [clip, marks] : query.marks) positive[clip] = marks[a] >= least ? 1 : 0;
    out.ap += metrics::interpolated_ap(within, positive) / static_cast<double>(query.annotators);
  }
  const auto best = static_cast<std::size_t>(metrics::by_score(scores).front());
  const auto very = [&](double mark) { return mark >= least; };
  const auto marked = query.marks.find(best);
  const bool hit = marked == query.marks.end() ? very(0) : std::any_of(marked->second.begin(), marked->second.end(), very);
  out.hit = best < clips && hit ? 1 : 0;
  return out;
}

}  // namespace

bool asks_by_query(const std::string& truth) {
  if (manifest::fs::path(truth).extension() != ".jsonl") return false;
  const std::string content = core::read_text(truth);
  const Json first = Json::parse(content.substr(0, content.find('\n')), nullptr, /*allow_exceptions=*/false);
  return first.is_object() && first.contains("saliency_scores");
}

manifest::Metrics score_queries(const HighlightOptions& options) {
  const HighlightOptions usual;
  if (!options.videos.empty()) fail(Exit::usage, "--videos: has no effect on QVHighlights, which is scored by query");
  if (options.ap != usual.ap) fail(Exit::usage, "--ap: has no effect on QVHighlights, which has an average precision of its own");
  if (options.top != usual.top) fail(Exit::usage, "--top: has no effect on QVHighlights, where all clips count");
  std::map<std::string, Query> queries;
  for_each_json_line(options.truth, [&](const Json& object, const std::string& place) {
    const std::string id = id_of(object, place);
    if (!queries.emplace(id, query_of(object, place)).second) fail(Exit::bad_data, "{}: query {} is there twice", place, id);
  });
  std::map<std::string, std::vector<double>> scores;
  std::int64_t other_length = 0;
  for_each_json_line(options.predictions, [&](const Json& object, const std::string& place) {
    const std::string id = id_of(object, place);
    const auto query = queries.find(id);
    if (query == queries.end()) fail(Exit::bad_data, "{}: query {} is not among those of {}", place, id, options.truth);
    auto list = number_list(field(object, "pred_saliency_scores", place), place + ": pred_saliency_scores");
    if (list.empty()) fail(Exit::bad_data, "{}: query {} has no scores", place, id);
    other_length += list.size() != query->second.clips ? 1 : 0;
    if (!scores.emplace(id, std::move(list)).second) fail(Exit::bad_data, "{}: query {} is there twice", place, id);
  });
  for (const auto& [id, query] : queries)
    if (!scores.contains(id)) fail(Exit::bad_data, "{}: has no scores for query {} ({})", options.predictions, id, query.place);
  if (other_length > 0)
    core::log_warning("{} of the {} queries have more or fewer scores than their video has clips: missing ones count as 0", other_length,
                      queries.size());

  manifest::Metrics out;
  Json by_query = Json::array();
  for (const Level& level : levels) {
    std::vector<double> aps, hits;
    for (const auto& [id, query] : queries) {
      const Result result = result_of(query, scores.at(id), level.least);
      aps.push_back(result.ap);
      hits.push_back(result.hit);
      if (&level == levels) by_query.push_back({{"name", id}, {"values", {100 * result.ap, 100 * result.hit, query.clips}}});
    }
    Json protocol = {{"protocol", "qvhighlights"},
                     {"queries", queries.size()},
                     {"positive", fmt::format("{} ({:.0f} or more)", level.name, level.least)},
                     {"mean over", "annotators and queries"},
                     {"ties", "equal scores at once"}};
    out.rows.push_back({.name = "highlight mAP", .value = 100 * metrics::mean(aps), .unit = "%", .protocol = protocol});
    protocol["mean over"] = "queries";
    protocol["ties"] = "in the order of the clips";
    protocol["hit"] = "the best clip is positive for any annotator";
    out.rows.push_back({.name = "HIT@1", .value = 100 * metrics::mean(hits), .unit = "%", .protocol = std::move(protocol)});
  }
  out.breakdowns = {{{"kind", "items"},
                     {"title", "By query"},
                     {"item", "query"},
                     {"columns", {{{"name", "AP"}, {"unit", "%"}}, {{"name", "HIT@1"}, {"unit", "%"}}, {{"name", "clips"}}}},
                     {"rows", std::move(by_query)}}};
  out.inputs = {file_entry(options.truth), file_entry(options.predictions)};
  say_headline("", {{"highlight mAP", out.rows[0].value, "%"}, {"HIT@1", out.rows[1].value, "%"}},
               fmt::format("{} queries, clips that are {}", queries.size(), levels[0].name));
  return out;
}

}  // namespace selfsight::score
