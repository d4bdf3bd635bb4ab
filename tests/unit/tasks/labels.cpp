// Which samples may use their label.
#include "core/error.h"
#include "tasks/probe_labels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>

using namespace selfsight;
using tasks::DrawPurpose;

namespace {

std::vector<std::int64_t> all_of(std::size_t n) {
  std::vector<std::int64_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

std::map<std::int64_t, std::int64_t> counts(const std::vector<std::int64_t>& samples, const std::vector<std::int64_t>& labels) {
  std::map<std::int64_t, std::int64_t> out;
  for (const auto sample : samples) ++out[labels.at(static_cast<std::size_t>(sample))];
  return out;
}

}  // namespace

TEST_CASE("draws are stratified, repeatable, nested, and differ by draw and by purpose") {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 1000; ++i) labels.push_back(i % 10);
  const auto samples = all_of(labels.size());
  const auto small = tasks::stratified_draw(samples, labels, 50, 1, 0, DrawPurpose::few_labels);
  CHECK(small.size() == 50);
  for (const auto& [label, count] : counts(small, labels)) CHECK(count == 5);
  CHECK(small == tasks::stratified_draw(samples, labels, 50, 1, 0, DrawPurpose::few_labels));
  CHECK(std::is_sorted(small.begin(), small.end()));
  const auto large = tasks::stratified_draw(samples, labels, 100, 1, 0, DrawPurpose::few_labels);
  CHECK(std::includes(large.begin(), large.end(), small.begin(), small.end()));
  CHECK(small != tasks::stratified_draw(samples, labels, 50, 1, 1, DrawPurpose::few_labels));
  CHECK(small != tasks::stratified_draw(samples, labels, 50, 2, 0, DrawPurpose::few_labels));
  CHECK(small != tasks::stratified_draw(samples, labels, 50, 1, 0, DrawPurpose::held_out));

  // A class of three in a thousand still gets one of ten.
  std::vector<std::int64_t> rare(1000, 0);
  rare[5] = rare[500] = rare[900] = 1;
  CHECK(counts(tasks::stratified_draw(samples, rare, 10, 0, 0, DrawPurpose::few_labels), rare)[1] == 1);
}

TEST_CASE("folds spread every class evenly") {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 100; ++i) labels.push_back(i < 60 ? 0 : 1);
  const auto folds = tasks::stratified_folds(labels, 5, 0, 0);
  std::map<std::pair<std::int64_t, std::int64_t>, int> seen;
  for (std::size_t i = 0; i < labels.size(); ++i) ++seen[{folds[i], labels[i]}];
  for (std::int64_t f = 0; f < 5; ++f) {
    CHECK(seen[{f, 0}] == 12);
    CHECK(seen[{f, 1}] == 8);
  }
}

TEST_CASE("budgets: numbers, shares and all; what does not fit is named") {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 200; ++i) labels.push_back(i % 4);
  const auto split = tasks::labelled_split("set.json", "train", labels, {"ant", "bee", "cat", "dog"});
  CHECK(split.classes == 4);
  const auto budgets = tasks::parse_budgets("--labels", {"20", "10%", "all"}, split);
  REQUIRE(budgets.size() == 2);  // 10 % is 20 again
  CHECK(budgets[0].count == 20);
  CHECK(budgets[1].all);
  for (const char* wrong : {"3", "201", "many", "0%", "-5", "101%", ""}) {
    CAPTURE(wrong);
    try {
      tasks::parse_budgets("--labels", {wrong}, split);
      FAIL("accepted");
    } catch (const core::Error& error) {
      CHECK(error.exit() == core::Exit::usage);
      CHECK(std::string(error.what()).find("--labels") != std::string::npos);
    }
  }
  for (const auto& useless : {std::vector<std::int64_t>(10, -1), std::vector<std::int64_t>(10, 3)}) {
    try {
      tasks::labelled_split("set.json", "train", useless, {"ant", "bee", "cat", "dog"});
      FAIL("accepted");
    } catch (const core::Error& error) {
      CHECK(error.exit() == core::Exit::bad_data);
      CHECK(std::string(error.what()).find("train") != std::string::npos);
      if (useless.front() == 3) CHECK(std::string(error.what()).find("one class ('dog')") != std::string::npos);
    }
  }
}
