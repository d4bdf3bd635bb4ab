#include "report/compare.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace selfsight;
using namespace selfsight::report;
using manifest::Json;
using manifest::Metrics;
using manifest::Row;

namespace {

Row row(const std::string& subject, double value, std::vector<double> samples = {}, Json protocol = Json::object()) {
  return {"linear top-1", value, "%", "test", std::move(protocol), std::move(samples), subject};
}

Metrics run(const std::string& method, const Json& config, std::vector<Row> rows) {
  Metrics metrics;
  metrics.model = {{"method", method}, {"config", config}};
  metrics.rows = std::move(rows);
  return metrics;
}

}  // namespace

TEST_CASE("quantiles of Student's t agree with printed tables") {
  CHECK(student_quantile(0.975, 1) == doctest::Approx(12.706).epsilon(1e-4));
  CHECK(student_quantile(0.975, 2) == doctest::Approx(4.303).epsilon(1e-4));
  CHECK(student_quantile(0.975, 4) == doctest::Approx(2.776).epsilon(2e-4));
  CHECK(student_quantile(0.95, 10) == doctest::Approx(1.812).epsilon(3e-4));
  CHECK(student_quantile(0.975, 1000) == doctest::Approx(1.962).epsilon(3e-4));
}

TEST_CASE("scores of no model of ours are never averaged: two files that say the same of whose they are are two arms") {
  const auto scored = [](const std::string& file, double value, const std::string& type) {
    Metrics metrics;
    metrics.tool = {{"name", "lvis-detect"}};
    metrics.origin = file;
    metrics.rows = {row("", value, {}, {{"type", type}})};
    return metrics;
  };
  const Comparison two = compare({scored("/a/box.json", 0.7, "box"), scored("/a/mask.json", 1.0, "mask")});
  REQUIRE(two.arms.size() == 2);
  CHECK(two.arms[0].name == "lvis-detect, a/box.json");
  CHECK(summarise(*two.cell(0, 0)).mean == doctest::Approx(0.7));
  CHECK(summarise(*two.cell(1, 0)).mean == doctest::Approx(1.0));
  const Comparison one = compare({scored("/a/box.json", 0.7, "box")});
  CHECK(one.arms.at(0).name == "lvis-detect");
}

TEST_CASE("arms that took another manifest are told by its name, and the run's own seed in that makes no arm of its own") {
  const auto planned = [](const std::string& rule, int seed, double value) {
    const std::string plan = "/runs/plans/" + rule + "-seed" + std::to_string(seed) + ".json";
    const std::string teacher = "/runs/teacher-seed" + std::to_string(seed) + "/model.json";
    return run("g-simclr", {{"seed", seed}, {"plan", plan}, {"teacher", teacher}}, {row("g-simclr", value)});
  };
  const Comparison four =
      compare({planned("random", 0, 40), planned("clusters", 0, 42), planned("random", 1, 44), planned("clusters", 1, 43)});
  REQUIRE(four.arms.size() == 2);
  CHECK(four.arms[0].name == "g-simclr (plan random)");
  CHECK(four.arms[1].name == "g-simclr (plan clusters)");
  CHECK(summarise(*four.cell(0, 0)).mean == doctest::Approx(42));
  const auto at = [](const std::string& plan) { return run("g-simclr", {{"seed", 1}, {"plan", plan}}, {row("g-simclr", 40)}); };
  const Comparison two = compare({at("/a/plan.json"), at("/b/plan.json")});
  REQUIRE(two.arms.size() == 2);
  CHECK(two.arms[0].name == "g-simclr (plan /a/plan.json)");
  CHECK(compare({at("/a/p-seed1.json"), at("/a/p-seed10.json")}).arms.size() == 2);
}

TEST_CASE("paired draws: the difference, its standard error and interval are those of the single differences") {
  const Cell a{{{0, "", 75, {74, 75, 76, 73, 77}}}, ""}, b{{{0, "", 69, {69, 69, 71, 66, 70}}}, ""};
  const Difference d = difference(a, b);
  // Differences 5, 6, 5, 7, 7: mean 6, standard deviation 1, standard error 1 / sqrt(5).
  CHECK(d.samples == std::vector<double>{5, 6, 5, 7, 7});
  CHECK(d.mean == doctest::Approx(6));
  REQUIRE(d.standard_error);
  CHECK(*d.standard_error == doctest::Approx(1 / std::sqrt(5.0)));
  CHECK(d.low == doctest::Approx(6 - 2.7764 / std::sqrt(5.0)).epsilon(1e-4));
  CHECK(d.over == "paired draws");
  CHECK(d.holds(false));
  CHECK_FALSE(d.holds(true));
  CHECK(difference(b, a).holds(true));
}

TEST_CASE("draws that do not pair are compared by Welch; single numbers have no interval") {
  const Cell a{{{0, "", 10, {9, 11}}}, ""}, b{{{1, "", 5, {4, 5, 6}}}, ""}, single{{{2, "", 3, {}}}, ""};
  const Difference welch = difference(a, b);
  CHECK(welch.over == "unpaired");
  CHECK(welch.mean == doctest::Approx(5));
  CHECK(*welch.standard_error == doctest::Approx(std::sqrt(2.0 / 2 + 1.0 / 3)));
  CHECK_FALSE(difference(a, single).standard_error);
  CHECK_FALSE(difference(a, single).holds(false));
}

TEST_CASE("runs pair within a manifest, else by seed") {
  const Cell a{{{0, "1", 10, {}}, {1, "2", 12, {}}}, ""};
  const Cell b{{{2, "2", 11, {}}, {3, "1", 7, {}}}, ""};
  CHECK(difference(a, b).samples == std::vector<double>{3, 1});
  CHECK(difference(a, b).over == "paired runs");
  const Cell inside{{{0, "1", 9, {}}, {1, "2", 9, {}}}, ""};
  CHECK(difference(a, inside).samples == std::vector<double>{1, 3});
}

TEST_CASE("one run that is given twice is no pair more") {
  const Cell a{{{0, "1", 10, {}}, {1, "1", 10, {}}}, ""}, b{{{0, "1", 9, {}}, {1, "1", 9, {}}}, ""};
  const Difference d = difference(a, b);
  CHECK(d.mean == 1);
  CHECK_FALSE(d.standard_error);
}

TEST_CASE("a cell's summary is over draws of one run, or over runs; equal runs count once") {
  const Summary draws = summarise({{{0, "1", 75, {74, 76}}}, ""});
  CHECK(draws.over == "draws");
  CHECK(draws.spread == doctest::Approx(std::sqrt(2.0)));
  const Summary runs = summarise({{{0, "1", 75, {74, 76}}, {1, "2", 77, {76, 78}}}, ""});
  CHECK(runs.over == "runs");
  CHECK(runs.mean == doctest::Approx(76));
  const Summary same = summarise({{{0, "1", 68, {67, 69}}, {1, "2", 68, {67, 69}}}, ""});
  CHECK(same.over == "draws");
  CHECK(summarise({{{0, "", 3, {}}}, ""}).over.empty());
}

TEST_CASE("the count of labels makes columns; what else differs stands in the cells") {
  const Metrics one = run("simclr", {{"seed", 1}},
                          {row("simclr", 75, {}, {{"labels", 100}, {"epochs", 100}, {"lr", 0.3}}),
                           row("simclr", 84, {}, {{"labels", "all"}, {"epochs", 100}, {"lr", 0.1}}),
                           row("pixels", 69, {}, {{"labels", 100}, {"epochs", 100}, {"lr", 0.03}})});
  const Comparison c = compare({one});
  REQUIRE(c.columns.size() == 2);
  CHECK(c.columns[0].title == "linear top-1, labels 100");
  CHECK(c.columns[1].title == "linear top-1, labels all");
  CHECK(c.columns[0].protocol == "epochs 100");
  REQUIRE(c.arms.size() == 2);
  CHECK(c.arms[0].name == "simclr");
  CHECK(c.arms[0].method);
  CHECK_FALSE(c.arms[1].method);
  CHECK(c.cell(1, 0)->protocol == "lr 0.03");
  CHECK(c.cell(1, 1) == nullptr);
}

TEST_CASE("features of several depths make columns, beside the count of labels where that differs too") {
  const auto at = [](const char* subject, const char* features, int labels, double value, double lr) {
    return row(subject, value, {}, {{"features", features}, {"labels", labels}, {"learning rate", lr}});
  };
  const Comparison depths =
      compare({run("rotnet", {{"seed", 1}}, {at("rotnet", "block1", 100, 60, 0.1), at("rotnet", "block2", 100, 70, 0.3)}),
               run("rotnet", {{"seed", 2}}, {at("rotnet", "block1", 100, 62, 0.3), at("rotnet", "block2", 100, 71, 0.3)})});
  REQUIRE(depths.columns.size() == 2);
  CHECK(depths.columns[0].title == "linear top-1, features block1");
  CHECK(summarise(*depths.cell(0, 0)).mean == doctest::Approx(61));
  CHECK(summarise(*depths.cell(0, 1)).mean == doctest::Approx(70.5));

  const Comparison both = compare({run("rotnet", {{"seed", 1}},
                                       {at("rotnet", "block1", 100, 60, 0.1), at("rotnet", "block1", 600, 65, 0.3),
                                        at("rotnet", "block2", 100, 70, 0.3), at("rotnet", "block2", 600, 75, 0.1)})});
  REQUIRE(both.columns.size() == 4);
  CHECK(both.columns[3].title == "linear top-1, features block2, labels 600");
  CHECK(both.cell(0, 3)->runs.at(0).value == 75);
}

TEST_CASE("one model judged by different protocols is no repetition: what was set makes columns, what was found does not") {
  const auto judged = [](int epochs, double rate, double value, std::vector<Row> more = {}) {
    std::vector<Row> rows = {row("simclr", value, {}, {{"epochs", epochs}, {"learning rate", rate}, {"learning rates tried", {0.1, 0.3}}})};
    rows.insert(rows.end(), more.begin(), more.end());
    return run("simclr", {{"seed", 0}}, rows);
  };
  const Row untrained = row("untrained", 30, {}, {{"epochs", 2}, {"learning rate", 0.1}, {"learning rates tried", {0.1, 0.3}}});
  const Comparison out = compare({judged(2, 0.1, 40, {untrained}), judged(20, 0.1, 60), judged(2, 0.3, 41)});
  REQUIRE(out.columns.size() == 2);
  CHECK(out.columns[0].title.find("epochs 2") != std::string::npos);
  CHECK(out.columns[1].title.find("epochs 20") != std::string::npos);
  CHECK(summarise(*out.cell(0, 0)).samples == std::vector{40.0, 41.0});
  CHECK(summarise(*out.cell(0, 1)).mean == 60);
  CHECK(out.cell(1, 1) == nullptr);  // nobody judged the untrained network so
}

TEST_CASE("runs that differ in their seed alone are one arm, other settings name another") {
  const Comparison c =
      compare({run("simclr", {{"seed", 1}, {"temperature", 0.5}, {"workers", 2}}, {row("simclr", 70), row("pixels", 60)}),
               run("simclr", {{"seed", 2}, {"temperature", 0.5}, {"workers", 9}}, {row("simclr", 72), row("pixels", 60)}),
               run("simclr", {{"seed", 1}, {"temperature", 0.2}, {"workers", 2}}, {row("simclr", 75), row("pixels", 60)})});
  REQUIRE(c.arms.size() == 3);
  CHECK(c.arms[0].name == "simclr (temperature 0.5)");
  CHECK(c.arms[1].name == "simclr (temperature 0.2)");
  CHECK(c.arms[2].name == "pixels");
  CHECK(c.cell(0, 0)->runs.size() == 2);
  CHECK(c.method_arms == std::vector<std::optional<std::size_t>>{0, 0, 1});
  CHECK(summarise(*c.cell(2, 0)).over.empty());
}

TEST_CASE("an option that a run of an earlier build did not know makes no arm of its own") {
  const auto old = run("moco", {{"seed", 0}, {"lr", 0.1}}, {row("moco", 40)}),
             fresh = run("moco", {{"seed", 1}, {"lr", 0.1}, {"augment", "host"}}, {row("moco", 42)});
  const Comparison one = compare({old, fresh});
  REQUIRE(one.arms.size() == 1);
  CHECK(one.arms[0].name == "moco");
  CHECK(summarise(*one.cell(0, 0)).mean == doctest::Approx(41));
  CHECK(compare({old, run("moco", {{"seed", 1}, {"lr", 0.2}, {"augment", "host"}}, {row("moco", 42)})}).arms.size() == 2);
}

TEST_CASE("what is better when lower is told by name, unit or protocol") {
  Metrics metrics;
  metrics.rows = {{"median rank", 3, "", "test", Json::object(), {}, "a"},
                  {"recall@1", 40, "%", "test", Json::object(), {}, "a"},
                  {"strange", 1, "", "", {{"better", "lower"}}, {}, "a"}};
  const Comparison c = compare({metrics});
  CHECK(c.columns[0].lower_is_better);
  CHECK_FALSE(c.columns[1].lower_is_better);
  CHECK(c.columns[2].lower_is_better);
}

TEST_CASE("values carry the decimals that their spread warrants") {
  CHECK(value_text(75.123, 1.2, "%") == "75.1");
  CHECK(value_text(75.123, 0.04, "%") == "75.12");
  CHECK(value_text(-0.04, 0, "%") == "0.0");
  CHECK(value_text(-0.0004, 0.02, "") == "0.000");
  CHECK(signed_text(-0.04, 0, "%") == "0.0");
  CHECK(signed_text(-1.2, 0, "%") == "−1.2");
  CHECK(signed_text(1.2, 0, "%") == "+1.2");
  CHECK(value_text(0.12345, 0.002, "") == "0.1235");
  CHECK(protocol_text({{"k", 20}, {"temperature", 0.07}, {"better", "lower"}}) == "k 20, temperature 0.07");
}

TEST_CASE("titles name what tells columns apart, in few words; the whole is kept") {
  Metrics metrics;
  const auto add = [&](const std::string& direction, const std::string& ranked, int candidates) {
    metrics.rows.push_back(row("", 40, {}, {{"direction", direction}, {"ranked", ranked}, {"candidates", candidates}, {"queries", 9}}));
  };
  add("text to video", "videos", 10);
  add("video to text", "captions", 20);
  CHECK(compare({metrics}).columns[1].title == "linear top-1, video to text");
  CHECK(compare({metrics}).columns[1].full_title == "linear top-1, direction video to text");
  add("video to text", "videos by their best caption", 10);
  const Comparison three = compare({metrics});
  CHECK(three.columns[1].title == "linear top-1, ranked captions");
  CHECK(three.columns[2].title == "linear top-1, videos by their best caption");
  CHECK(three.columns[2].protocol == "candidates 10, direction video to text, queries 9");
  const std::string words = "of all the words that anybody may have thought of";
  metrics.rows = {row("", 1, {}, {{"how", words + " first"}}), row("", 2, {}, {{"how", words + " second"}})};
  const Comparison wordy = compare({metrics});
  CHECK(wordy.columns[0].title.size() < 60);
  CHECK(wordy.columns[0].title != wordy.columns[1].title);
  CHECK(wordy.columns[1].full_title == "linear top-1, how " + words + " second");
}

TEST_CASE("draws made with other seeds do not pair across manifests") {
  Cell a{{{0, "", 10, {9, 11}, "1"}}, ""}, b{{{1, "", 5, {4, 6}, "2"}}, ""};
  CHECK(difference(a, b).over == "unpaired");
  b.runs[0].draws = "1";
  CHECK(difference(a, b).over == "paired draws");
}

TEST_CASE("rows that are differences of others make no column, long protocols are cut under their number only") {
  Json protocol = {{"labels", 60000}, {"classifier", "softmax"}, {"epochs", 100}};
  protocol["chosen on"] = "5000 of the samples of train, held out; then trained on all";
  protocol["learning rates tried"] = {0.1, 0.3, 1.0, 3.0, 10.0};
  Row difference = row("simclr", 6, {5, 7}, {{"labels", 100}, {"pairing", "the same draws of labels for both"}});
  difference.name += " difference to pixels";
  const Comparison c = compare({run("simclr", {{"seed", 1}}, {row("simclr", 75, {}, protocol), difference})});
  REQUIRE(c.columns.size() == 1);
  CHECK(c.columns[0].protocol.find("learning rates tried 0.1, 0.3") != std::string::npos);
  CHECK(c.columns[0].protocol.find("labels 60,000") != std::string::npos);
  CHECK(c.columns[0].brief == "classifier softmax, labels 60,000, epochs 100 …");
}
