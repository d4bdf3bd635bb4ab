#include "report/svg.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

using namespace selfsight::report;

namespace {

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("smoothing keeps constants and straight lines and damps noise") {
  std::vector<double> line, noise;
  for (int i = 0; i < 1000; ++i) {
    line.push_back(3.0 * i - 7);
    noise.push_back(i % 2 == 0 ? 1 : -1);
  }
  const auto smooth_line = smooth(line, 25), smooth_noise = smooth(noise, 25);
  for (std::size_t i = 0; i < line.size(); ++i) CHECK(smooth_line[i] == doctest::Approx(line[i]));
  for (std::size_t i = 20; i < 980; ++i) CHECK(std::abs(smooth_noise[i]) < 0.05);
}

TEST_CASE("thinning keeps the extremes and the order") {
  std::vector<double> x, y;
  for (int i = 0; i < 10000; ++i) {
    x.push_back(i);
    y.push_back(std::sin(i * 0.01));
  }
  y[7777] = 50;
  y[123] = -50;
  thin(x, y, 400);
  CHECK(y.size() <= 400);
  CHECK(std::is_sorted(x.begin(), x.end()));
  CHECK(*std::max_element(y.begin(), y.end()) == 50);
  CHECK(*std::min_element(y.begin(), y.end()) == -50);
}

TEST_CASE("a line chart draws each series, breaks at gaps, and has a legend when there are several") {
  LineChart chart;
  chart.title = "loss";
  chart.series = {{"a", {0, 1, 2, 3, 4}, {1, 2, NAN, 4, 5}}};
  const std::string one = draw(chart);
  CHECK(count_of(one, "class=\"curve") == 1);
  CHECK(one.find("class=\"legend\"") == std::string::npos);
  const std::size_t path = one.find("class=\"curve d0\" d=\"");
  CHECK(count_of(one.substr(path, one.find("/>", path) - path), "M") == 2);
  CHECK(one.find("nan") == std::string::npos);
  chart.series.push_back({"b", {0, 4}, {2, 2}, {}, {}, 1});
  const std::string two = draw(chart);
  CHECK(two.find("class=\"legend\"") != std::string::npos);
  CHECK(count_of(two, "<title>b, ") == 2);
}

TEST_CASE("a chart of one point or of equal values has finite coordinates") {
  LineChart chart;
  chart.series = {{"a", {1}, {2}}};
  for (const std::string& svg :
       {draw(chart), draw(BarChart{"", "", "", {{"a", 0, 0, {}, "0", 0}}}), draw(IntervalChart{"", "", "", {{"a", 0, 0, 0, {}, "0", 0}}}),
        draw(ScatterChart{"", "", {"g"}, {{1, 1, 0, ""}, {1, 1, 0, ""}}})}) {
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
  }
}

TEST_CASE("bars show each single value and an error bar where there is one") {
  const std::string svg = draw(BarChart{"t", "", "%", {{"a", 75, 1.2, {74, 75, 76}, "75.0 ± 1.2", 0}, {"b", 60, 0, {}, "60.0", 1}}});
  CHECK(count_of(svg, "class=\"single\"") == 3);
  CHECK(count_of(svg, "class=\"error\"") == 1);
  CHECK(count_of(svg, "class=\"bar\"") == 2);
}
