// Matching and curves against the definitions written out without any shortcut.
#include "metrics/detection.h"

#include "unit/support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace m = selfsight::metrics;

namespace {

struct Problem {
  std::vector<m::Truth> truths;
  std::vector<double> overlaps, areas;
  bool exhaustive = true;
};

Problem random_problem(std::mt19937& random) {
  Problem out;
  const std::size_t truths = random() % 6, detections = random() % 9;
  const double areas[] = {0, 500, 1024, 1024.5, 9216, 20000};
  for (std::size_t g = 0; g < truths; ++g)
    out.truths.push_back({areas[random() % 6], random() % 5 == 0, random() % 4 == 0, random() % 8 != 0});
  for (std::size_t d = 0; d < detections; ++d) out.areas.push_back(areas[random() % 6]);
  const double near[] = {0, 0.3, 0.5, 0.5, 0.55, 0.6, 0.75, 0.95, 1, -1};
  for (std::size_t i = 0; i < truths * detections; ++i)
    out.overlaps.push_back(random() % 2 == 0 ? near[random() % 10] : static_cast<double>(random()) / 4294967296.0);
  out.exhaustive = random() % 4 != 0;
  return out;
}

/// One threshold and range by the loop of the original: ground truth sorted so that ignored ones come last.
std::vector<int> match_slowly(const Problem& p, const m::AreaRange& range, double threshold) {
  std::vector<std::size_t> order(p.truths.size());
  for (std::size_t g = 0; g < order.size(); ++g) order[g] = g;
  const auto ignored = [&](std::size_t g) { return p.truths[g].ignored || p.truths[g].area < range.low || p.truths[g].area > range.high; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ignored(a) < ignored(b); });
  std::vector<bool> taken(order.size());
  std::vector<int> out;  // 1 right, 0 wrong, -1 ignored
  for (std::size_t d = 0; d < p.areas.size(); ++d) {
    double best = std::min(threshold, 1 - 1e-10);
    int found = -1;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::size_t g = order[i];
      if (taken[g] && !p.truths[g].crowd) continue;
      if (found > -1 && !ignored(static_cast<std::size_t>(found)) && ignored(g)) break;
      if (p.overlaps[d * order.size() + g] < best) continue;
      best = p.overlaps[d * order.size() + g];
      found = static_cast<int>(g);
    }
    bool matched = false, left_out = false;
    if (found >= 0) {
      const auto g = static_cast<std::size_t>(found);
      taken[g] = true;
      matched = p.truths[g].counts;
      left_out = ignored(g);
    }
    if (!matched && (p.areas[d] < range.low || p.areas[d] > range.high || !p.exhaustive)) left_out = true;
    out.push_back(left_out ? -1 : matched ? 1 : 0);
  }
  return out;
}

}  // namespace

TEST_CASE("matching is the greedy one of the definition, in every range and at every threshold") {
  std::mt19937 random(7);
  const auto ranges = m::area_ranges();
  for (int round = 0; round < 5000; ++round) {
    const Problem p = random_problem(random);
    std::vector<m::Verdict> verdicts(p.areas.size() * ranges.size());
    m::match({p.truths, p.overlaps, p.areas, p.exhaustive}, ranges, verdicts);
    for (std::size_t a = 0; a < ranges.size(); ++a)
      for (int t = 0; t < m::iou_thresholds; ++t) {
        const auto expected = match_slowly(p, ranges[a], m::iou_threshold(t));
        for (std::size_t d = 0; d < p.areas.size(); ++d) {
          const m::Verdict& verdict = verdicts[d * ranges.size() + a];
          const bool right = (verdict.right >> t & 1) != 0, wrong = (verdict.wrong >> t & 1) != 0;
          REQUIRE((right ? 1 : wrong ? 0 : -1) == expected[d]);
        }
      }
  }
}

TEST_CASE("curves: the envelope at each recall level, over all detections and not only the right ones") {
  std::mt19937 random(8);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t count = random() % 30;
    std::vector<m::Verdict> verdicts(count);
    std::vector<std::int64_t> rights(m::iou_thresholds);
    for (auto& verdict : verdicts) {
      verdict.right = static_cast<std::uint16_t>(random() & 0x3ff);
      verdict.wrong = static_cast<std::uint16_t>(random() & 0x3ff & ~verdict.right);
      for (int t = 0; t < m::iou_thresholds; ++t) rights[static_cast<std::size_t>(t)] += verdict.right >> t & 1;
    }
    const std::int64_t truths =
        1 + *std::max_element(rights.begin(), rights.end()) + static_cast<std::int64_t>(random() % 3) - (count > 0 ? 1 : 0);
    if (truths < 1) continue;
    const m::Curve curve = m::curve_of(verdicts, truths);
    for (int t = 0; t < m::iou_thresholds; ++t) {
      std::vector<double> recall, precision;
      double right = 0, wrong = 0;
      for (const auto& verdict : verdicts) {
        right += verdict.right >> t & 1;
        wrong += verdict.wrong >> t & 1;
        recall.push_back(right / static_cast<double>(truths));
        precision.push_back(right / (wrong + right + (std::nextafter(1.0, 2.0) - 1.0)));
      }
      for (std::size_t i = count; i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
      CHECK(curve.recall[static_cast<std::size_t>(t)] == (count == 0 ? 0 : recall.back()));
      for (int r = 0; r < m::recall_levels; ++r) {
        const auto at = static_cast<std::size_t>(std::lower_bound(recall.begin(), recall.end(), m::recall_level(r)) - recall.begin());
        REQUIRE(curve.precision[static_cast<std::size_t>(t * m::recall_levels + r)] == (at < count ? precision[at] : 0));
      }
    }
  }
}

TEST_CASE("a perfect precision is 0.9999999999999998 in the official programs, and 1 when exact") {
  const std::vector<m::Verdict> one{{0x3ff, 0}};
  CHECK(m::curve_of(one, 1).precision.front() == 0.9999999999999998);
  CHECK(m::curve_of(one, 1, true).precision.front() == 1);
}

TEST_CASE("thresholds and means are NumPy's") {
  CHECK(m::iou_threshold(0) == 0.5);
  CHECK(m::iou_threshold(5) == 0.75);
  CHECK(m::iou_threshold(9) == 0.95);
  CHECK(m::iou_threshold(3) == 3 * ((0.95 - 0.5) / 9) + 0.5);
  CHECK(m::recall_level(7) == 7 * 0.01);
  CHECK(std::isnan(m::numpy_mean({})));
  // numpy.mean of 1 / (i + 1), of 5, 100 and 1000 values: NumPy 2.4.
  for (const auto& [count, expected] :
       {std::pair<std::size_t, double>{5, 0x1.d3a06d3a06d3ap-2}, {100, 0x1.a8f330fce2bdbp-5}, {1000, 0x1.ea915c8a8db3dp-8}}) {
    std::vector<double> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = 1.0 / static_cast<double>(i + 1);
    CHECK(m::numpy_mean(values) == expected);
  }
}

TEST_CASE("keypoint similarity: closed forms") {
  const std::vector<double> sigmas{0.1, 0.2};
  const std::vector<m::Keypoint> truth{{10, 10, 2}, {20, 20, 1}}, moved{{13, 14, 1}, {20, 20, 1}};
  CHECK(m::keypoint_similarity(truth, truth, {0, 0, 30, 30}, 100, sigmas) == 1);
  CHECK(m::keypoint_similarity(moved, truth, {0, 0, 30, 30}, 100, sigmas) == doctest::Approx((std::exp(-25 / 0.04 / 100 / 2) + 1) / 2));
  const std::vector<m::Keypoint> half{{10, 10, 0}, {20, 20, 1}}, none{{10, 10, 0}, {20, 20, 0}};
  CHECK(m::keypoint_similarity(moved, half, {0, 0, 30, 30}, 100, sigmas) == 1);  // the first is not labelled
  CHECK(m::keypoint_similarity(moved, none, {10, 10, 5, 5}, 100, sigmas) == 1);  // inside of three times the box
  const std::vector<m::Keypoint> far{{25, 10, 1}, {20, 20, 1}};
  CHECK(m::keypoint_similarity(far, none, {10, 10, 5, 5}, 100, sigmas) == doctest::Approx((std::exp(-25 / 0.04 / 100 / 2) + 1) / 2));
}
