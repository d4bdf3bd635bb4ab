#include "score/highlight.h"
#include "score/sts.h"
#include "score/vtr.h"
#include "unit/arrays.h"
#include "unit/support.h"

#include <cmath>
#include <map>

using namespace selfsight;
using test::contains;
using test::error_of;

namespace {

const manifest::Row& row(const manifest::Metrics& metrics, const std::string& name, std::size_t nth = 0) {
  for (const auto& one : metrics.rows)
    if (one.name == name && nth-- == 0) return one;
  FAIL("no row " << name);
  return metrics.rows.front();
}

std::string write(const test::Folder& folder, const std::string& name, const std::string& content) {
  test::write_plainly(folder / name, content);
  return (folder / name).string();
}

const manifest::Json& fixtures() {
  static const auto json = manifest::Json::parse(core::read_text(SELFSIGHT_TEST_DATA "/parity/score/scores.json"));
  return json;
}

}  // namespace

TEST_CASE("vtr: matrix and features, one and several captions, dual softmax; the same for any number of threads") {
  const test::Folder folder;
  for (const auto& one : fixtures()["retrieval"]) {
    const std::vector<double> values = one["similarity"];
    const std::vector<std::int64_t> of = one["videos"];
    const std::size_t videos = values.size() / of.size();
    score::VtrOptions options;
    options.similarity = write(folder, "s.npy", test::npy_of("<f8", fmt::format("{}, {}", of.size(), videos), values));
    if (of.size() != videos) options.captions = write(folder, "of.npy", test::npy_of("<i8", fmt::format("{},", of.size()), of));
    options.ks = {1, 5};
    const auto metrics = score::score_vtr(options, 1);
    CHECK(row(metrics, "R@1").value == doctest::Approx(100 * one["summary"]["text"]["R@1"].get<double>()));
    CHECK(row(metrics, "mean rank").value == doctest::Approx(one["summary"]["text"]["mean"].get<double>()));
    CHECK(row(metrics, "R@5", 1).value == doctest::Approx(100 * one["summary"]["captions"]["R@5"].get<double>()));
    CHECK(row(metrics, "median rank", 1).value == one["summary"]["captions"]["median"].get<double>());
    CHECK(metrics.rows.size() == (of.size() == videos ? 8U : 12U));
    if (of.size() != videos) CHECK(row(metrics, "mean rank", 2).value == doctest::Approx(one["summary"]["videos"]["mean"].get<double>()));
    CHECK(manifest::to_json(metrics, {}) == manifest::to_json(score::score_vtr(options, 4), {}));
    options.dual_softmax = true;
    options.temperature = fixtures()["temperature"];
    double mean = 0;
    for (const auto& rank : one["dual_text"]) mean += rank.get<double>() / static_cast<double>(of.size());
    CHECK(row(score::score_vtr(options, 3), "mean rank").value == doctest::Approx(mean));
  }
  // Features: the cosines as a matrix give the same.
  const std::vector<float> text{1, 0, 0.9F, 0.1F, 0, 1, 0.2F, 0.9F}, video{2, 0.1F, 0.1F, 3};
  score::VtrOptions features;
  features.text = write(folder, "t.npy", test::npy_of("<f4", "4, 2", text));
  features.video = write(folder, "v.npy", test::npy_of("<f4", "2, 2", video));
  features.captions = write(folder, "c.csv", "video_id;sentence\nb;one\nb;two\na;three\na;four\n");
  const auto metrics = score::score_vtr(features, 2);
  CHECK(row(metrics, "R@1").value == 100);
  CHECK(metrics.breakdowns.back()["queries"][0]["query"]["name"] == "b (rank 1)");
  features.dual_softmax = true;
  CHECK(row(score::score_vtr(features, 2), "R@1").value == 100);
}

TEST_CASE("vtr: what does not fit is refused by name; a video without captions is left out and counted") {
  const test::Folder folder;
  score::VtrOptions options;
  const auto refusal = [&] { return error_of(core::Exit::bad_data, [&] { score::score_vtr(options, 2); }); };
  options.similarity = write(folder, "s.npy", test::npy_of<float>("<f4", "3, 2", {1, 2, 3, 4, std::nanf(""), 6}));
  CHECK(contains(refusal(), "row 2, column 0 is nan"));
  options.similarity = write(folder, "s.npy", test::npy_of<float>("<f4", "3, 2", {1, 2, 3, 4, 5, 6}));
  CHECK(contains(refusal(), "3 captions and 2 videos"));
  options.captions = write(folder, "c.csv", "video\na\nb\n");
  CHECK(contains(refusal(), "has 2 captions, there are 3 rows"));
  options.captions = write(folder, "c.csv", "video\na\nb\nc\n");
  CHECK(contains(refusal(), "names 3 videos, there are 2 rows"));
  options.captions = write(folder, "c.csv", "video\na\na\na\n");
  CHECK(contains(refusal(), "--videos names them all"));
  options.captions = write(folder, "c.csv", "clip\na\na\na\n");
  CHECK(contains(refusal(), "no column video"));
  options.captions = write(folder, "of.npy", test::npy_of<std::int64_t>("<i8", "3,", {0, 2, 1}));
  CHECK(contains(refusal(), "caption 1 belongs to video 2, there are 2"));
  options.captions = write(folder, "c.csv", "video\na\na\na\n");
  options.videos = write(folder, "v.txt", "b\nc\n");
  CHECK(contains(refusal(), "c.csv:2: 'a' is not among the videos"));
  options.videos = write(folder, "v.txt", "a\nb\n");
  const auto metrics = score::score_vtr(options, 1);
  CHECK(row(metrics, "R@1", 1).protocol["queries without a match"] == 1);
  CHECK(row(metrics, "R@1", 1).protocol["queries"] == 1);
}

TEST_CASE("highlights: domains, annotators, HIT@1 from files") {
  const test::Folder folder;
  score::HighlightOptions options;
  std::string truth, predictions;
  std::map<std::string, std::vector<double>> expected;
  std::size_t n = 0;
  for (const auto& one : fixtures()["youtube"]) {
    const std::string domain = n % 2 == 0 ? "dog" : "surfing", name = fmt::format("v{}", n++);
    truth += manifest::Json{{"vid", name}, {"domain", domain}, {"match", one["positive"]}}.dump() + "\n";
    predictions += manifest::Json{{"vid", name}, {"scores", one["scores"]}}.dump() + "\n";
    expected[domain].push_back(one["trapezoid"].get<double>());
  }
  options.truth = write(folder, "truth.jsonl", truth);
  options.predictions = write(folder, "scores.jsonl", predictions);
  const auto metrics = score::score_highlights(options);
  const auto mean = [](const std::vector<double>& v) { return (v[0] + v[1]) / 2; };
  CHECK(row(metrics, "highlight mAP (dog)").value == doctest::Approx(100 * mean(expected["dog"])));
  CHECK(row(metrics, "highlight mAP").value == doctest::Approx(50 * (mean(expected["dog"]) + mean(expected["surfing"]))));
  CHECK(row(metrics, "highlight mAP").protocol["AP"] == "trapezoid");
  manifest::to_json(metrics, {});

  manifest::Json annotations = manifest::Json::object();
  predictions.clear();
  double top5 = 0;
  for (const auto& one : fixtures()["tvsum"]) {
    const std::string name = fmt::format("t{}", n++);
    annotations[name] = {{"domain", "VT"}, {"anno", one["importance"]}, {"title", "not known here"}};
    predictions += manifest::Json{{"vid", name}, {"scores", one["scores"]}}.dump() + "\n";
    top5 += 100 * one["top5"].get<double>() / 3;
  }
  options.truth = write(folder, "truth.json", annotations.dump());
  options.predictions = write(folder, "scores.jsonl", predictions);
  const auto tvsum = score::score_highlights(options);
  CHECK(row(tvsum, "top-5 mAP").value == doctest::Approx(top5).epsilon(1e-12));
  CHECK(row(tvsum, "top-5 mAP").protocol["annotators"] == 20);
  options.videos = write(folder, "some.txt", "t4\n");
  CHECK(row(score::score_highlights(options), "top-5 mAP").value == doctest::Approx(100 * fixtures()["tvsum"][0]["top5"].get<double>()));
  options.videos = write(folder, "some.txt", "t9\n");
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::score_highlights(options); }), "t9 is not among the videos"));
}

TEST_CASE("highlights: hostile files") {
  const test::Folder folder;
  score::HighlightOptions options;
  options.truth =
      write(folder, "t.jsonl",
            "{\"vid\": \"a\", \"domain\": \"d\", \"match\": [1, 0, -1]}\n{\"vid\": \"b\", \"domain\": \"d\", \"match\": [0, 0]}\n");
  const auto refusal = [&](const std::string& predictions) {
    options.predictions = write(folder, "p.jsonl", predictions);
    return error_of(core::Exit::bad_data, [&] { score::score_highlights(options); });
  };
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": [1, 2]}"), "p.jsonl:1: a has 2 scores for 3 clips"));
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": [1, null, 2]}"), "entry 1 (null) is not a finite number"));
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": [1, NaN, 2]}"), "p.jsonl:1: is not JSON: NaN at byte 28"));
  CHECK(contains(refusal("{\"vid\": \"c\", \"scores\": [1]}"), "c is not among the videos"));
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": [1, 2, 3]}"), "has no scores for b"));
  CHECK(
      contains(refusal("{\"vid\": \"a\", \"scores\": [1, 2, 3]}\n{\"vid\": \"a\", \"scores\": [1, 2, 3]}"), "p.jsonl:2: a is there twice"));
  CHECK(contains(refusal("{\"vid\": \"a\"}"), "lacks \"scores\""));
  // All-equal scores and a video without a positive: counted, and said.
  options.predictions = write(folder, "p.jsonl", "{\"vid\": \"a\", \"scores\": [1, 1, 1]}\n{\"vid\": \"b\", \"scores\": [1, 2]}");
  const auto metrics = score::score_highlights(options);
  CHECK(row(metrics, "highlight mAP").value == 50);
  CHECK(row(metrics, "highlight mAP").protocol["videos without a positive"] == 1);
  CHECK(row(metrics, "highlight mAP").protocol["videos with equal scores"] == 1);
  options.truth = write(folder, "t.json", R"({"a": {"domain": "d", "anno": [[1, 2], [1]]}})");
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": [1, 2]}"), "anno/1: 1 annotators where clip 0 has 2"));
  options.truth = write(folder, "t.json", R"({"a": {"domain": "d", "anno": []}})");
  CHECK(contains(refusal("{\"vid\": \"a\", \"scores\": []}"), "one entry a clip"));
  options.truth = write(folder, "t.json", "[]");
  CHECK(contains(refusal(""), "not a JSON object of videos"));
}

TEST_CASE("sts: scipy's figures from files, constant predictions have no correlation but a reason") {
  const test::Folder folder;
  score::StsOptions options;
  const auto& one = fixtures()["correlations"][4];
  std::string truth, predictions;
  for (std::size_t i = 0; i < one["a"].size(); ++i) {
    truth += fmt::format("\"A man, {}.\",A \"\"man\"\".,{}\n", i, one["a"][i].dump());
    predictions += one["b"][i].dump() + "\n";
  }
  options.truth = write(folder, "truth.csv", truth);
  options.predictions = write(folder, "p.txt", predictions);
  const auto metrics = score::score_sts(options, 1);
  CHECK(row(metrics, "Spearman").value == doctest::Approx(one["spearman"].get<double>()).epsilon(1e-10));
  CHECK(row(metrics, "Pearson").value == doctest::Approx(one["pearson"].get<double>()).epsilon(1e-10));
  const auto b = one["b"].get<std::vector<double>>();
  options.predictions = write(folder, "p.npy", test::npy_of("<f8", "100,", b));
  CHECK(row(score::score_sts(options, 1), "Pearson").value == row(metrics, "Pearson").value);
  options.predictions = write(folder, "p.jsonl", "{\"score\": 1}\n");
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::score_sts(options, 1); }), "1 predictions for the 100 pairs"));
  options.predictions = write(folder, "p.npy", test::npy_of("<f8", "100,", std::vector<double>(100, 0.5)));
  const auto constant = manifest::to_json(score::score_sts(options, 1), {});
  for (const auto& r : constant["rows"]) {
    CHECK(r["value"].is_null());
    CHECK(r["protocol"]["not defined"] == "the predicted scores are all equal");
  }
  auto bad = b;
  bad[3] = std::nan("");
  options.predictions = write(folder, "p.npy", test::npy_of("<f8", "100,", bad));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::score_sts(options, 1); }), "entry 3 is nan"));
  options.predictions = write(folder, "p.txt", "1\nabc\n");
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::score_sts(options, 1); }), "p.txt:2: score: 'abc' is not a number"));
}

TEST_CASE("sts: from features of both sentences, with a heading") {
  const test::Folder folder;
  score::StsOptions options;
  options.truth = write(folder, "t.csv", "sentence1,sentence2,score\na,b,0\nc,d,2.5\ne,f,5\n");
  options.first = write(folder, "a.npy", test::npy_of<float>("<f4", "3, 2", {1, 0, 1, 0, 2, 1}));
  options.second = write(folder, "b.npy", test::npy_of<float>("<f4", "3, 2", {-1, 0, 0, 3, 2, 1}));
  const auto metrics = score::score_sts(options, 2);
  CHECK(row(metrics, "Spearman").value == doctest::Approx(1));
  CHECK(row(metrics, "Pearson").value == doctest::Approx(1));
  options.second = write(folder, "b.npy", test::npy_of<float>("<f4", "3, 2", {-1, 0, 0, 0, 2, 1}));
  CHECK(contains(error_of(core::Exit::bad_data, [&] { score::score_sts(options, 2); }), "b.npy: row 1 is zero"));
  options.predictions = "both";
  error_of(core::Exit::usage, [&] { score::score_sts(options, 2); });
}

TEST_CASE("highlights: --top has no effect on clips that are marked or not") {
  const test::Folder folder;
  score::HighlightOptions options;
  options.truth = write(folder, "t.jsonl", "{\"vid\": \"a\", \"domain\": \"d\", \"match\": [1, 0]}\n");
  options.predictions = write(folder, "p.jsonl", "{\"vid\": \"a\", \"scores\": [1, 2]}\n");
  score::score_highlights(options);
  options.top = 3;
  CHECK(contains(error_of(core::Exit::usage, [&] { score::score_highlights(options); }), "--top: has no effect"));
}

TEST_CASE("highlights: QVHighlights' HIT@1 asks whether any annotator finds the best clip very good") {
  const test::Folder folder;
  score::HighlightOptions options;
  // Clips of 2 s: five, five and three of them. The best clips: marked 4 by one of three; marked 3 by all; beyond the end of the video.
  options.truth = write(folder, "t.jsonl",
                        "{\"qid\": 1, \"duration\": 10, \"relevant_clip_ids\": [1, 2], \"saliency_scores\": [[1, 4, 0], [2, 2, 2]]}\n"
                        "{\"qid\": 2, \"duration\": 11.5, \"relevant_clip_ids\": [0, 4], \"saliency_scores\": [[3, 3, 3], [4, 4, 4]]}\n"
                        "{\"qid\": \"c\", \"duration\": 6, \"relevant_clip_ids\": [2], \"saliency_scores\": [[4, 4, 4]]}\n");
  options.predictions = write(folder, "p.jsonl",
                              "{\"qid\": 1, \"pred_saliency_scores\": [0, 9, 1, 0, 0]}\n"
                              "{\"qid\": 2, \"pred_saliency_scores\": [9, 0, 9, 1]}\n"
                              "{\"qid\": \"c\", \"pred_saliency_scores\": [1, 2, 3, 4]}\n");
  const auto metrics = score::score_highlights(options);
  CHECK(row(metrics, "HIT@1").protocol["positive"] == "very good (4 or more)");
  CHECK(row(metrics, "HIT@1").value == doctest::Approx(100.0 / 3));
  CHECK(row(metrics, "HIT@1", 1).value == doctest::Approx(200.0 / 3));
  CHECK(row(metrics, "HIT@1", 2).value == doctest::Approx(200.0 / 3));
  // Very good: query 1 has AP 0, 1, 0; query 2, whose clip 4 has no score and so 0, stands with clip 1 at the end: 1/5; query c 1.
  CHECK(row(metrics, "highlight mAP").value == doctest::Approx(100 * (1.0 / 3 + 0.2 + 1) / 3));
  manifest::to_json(metrics, {});
  options.top = 3;
  CHECK(contains(error_of(core::Exit::usage, [&] { score::score_highlights(options); }), "--top"));
  options.top = 5;
  const auto refusal = [&](const std::string& predictions) {
    options.predictions = write(folder, "p.jsonl", predictions);
    return error_of(core::Exit::bad_data, [&] { score::score_highlights(options); });
  };
  CHECK(contains(refusal("{\"qid\": 9, \"pred_saliency_scores\": [0]}\n"), "query 9 is not among"));
  CHECK(contains(refusal("{\"qid\": 1, \"pred_saliency_scores\": [0]}\n"), "no scores for query 2"));
  CHECK(contains(refusal("{\"qid\": 1, \"pred_saliency_scores\": []}\n"), "p.jsonl:1: query 1 has no scores"));
  options.truth = write(folder, "t.jsonl", "{\"qid\": 1, \"duration\": 4, \"relevant_clip_ids\": [2], \"saliency_scores\": [[4]]}\n");
  CHECK(contains(refusal("{\"qid\": 1, \"pred_saliency_scores\": [0]}\n"), "t.jsonl:1: clip 2 is none of the 2 of 2 s"));
  // What a line claims takes no room by itself.
  const auto claims = [&](const std::string& duration, std::size_t annotators) {
    std::string marks = "4";
    for (std::size_t i = 1; i < annotators; ++i) marks += ",4";
    options.truth =
        write(folder, "t.jsonl",
              fmt::format("{{\"qid\": 1, \"duration\": {}, \"relevant_clip_ids\": [2], \"saliency_scores\": [[{}]]}}\n", duration, marks));
    return refusal("{\"qid\": 1, \"pred_saliency_scores\": []}\n");
  };
  CHECK(contains(claims("1e5", 100), "query 1 has no scores"));
  CHECK(contains(claims("1e6", 3), "t.jsonl:1: \"duration\" is no number of seconds"));
  CHECK(contains(claims("10", 101), "t.jsonl:1: marks of 101 annotators"));
}
