#include "metrics/detection.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace selfsight::metrics {

namespace {

/// numpy.linspace(low, high, count)[index]
double linspace(double low, double high, int count, int index) {
  return index == count - 1 ? high : index * ((high - low) / (count - 1)) + low;
}

double numpy_sum(std::span<const double> values) {
  const std::size_t n = values.size();
  if (n < 8) {
    double sum = -0.0;
    for (const double value : values) sum += value;
    return sum;
  }
  if (n <= 128) {
    double lanes[8];
    std::copy_n(values.begin(), 8, lanes);
    std::size_t i = 8;
    for (; i + 8 <= n; i += 8)
      for (std::size_t j = 0; j < 8; ++j) lanes[j] += values[i + j];
    double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    for (; i < n; ++i) sum += values[i];
    return sum;
  }
  const std::size_t half = n / 2 - n / 2 % 8;
  return numpy_sum(values.first(half)) + numpy_sum(values.subspan(half));
}

struct Candidate {
  std::uint32_t truth;
  double overlap;
};

}  // namespace

double iou_threshold(int index) { return linspace(.5, .95, iou_thresholds, index); }
double recall_level(int index) { return linspace(0, 1, recall_levels, index); }

std::vector<AreaRange> area_ranges() { return {{"all", 0, 1e10}, {"small", 0, 1024}, {"medium", 1024, 9216}, {"large", 9216, 1e10}}; }
std::vector<AreaRange> keypoint_area_ranges() { return {{"all", 0, 1e10}, {"medium", 1024, 9216}, {"large", 9216, 1e10}}; }

std::vector<double> coco_sigmas() {
  std::vector<double> out{.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89};
  for (double& sigma : out) sigma /= 10;
  return out;
}

double keypoint_similarity(std::span<const Keypoint> detection, std::span<const Keypoint> truth, const Box& truth_box, double truth_area,
                           std::span<const double> sigmas) {
  if (detection.size() != sigmas.size() || truth.size() != sigmas.size())
    core::fail(core::Exit::internal, "{} and {} keypoints for {} sigmas", detection.size(), truth.size(), sigmas.size());
  const bool labelled = std::any_of(truth.begin(), truth.end(), [](const Keypoint& point) { return point.seen > 0; });
  const double left = truth_box[0] - truth_box[2], right = truth_box[0] + truth_box[2] * 2;
  const double top = truth_box[1] - truth_box[3], bottom = truth_box[1] + truth_box[3] * 2;
  std::vector<double> terms;
  for (std::size_t i = 0; i < sigmas.size(); ++i) {
    const Keypoint& point = detection[i];
    if (labelled && !(truth[i].seen > 0)) continue;
    const double dx = labelled ? point.x - truth[i].x : std::fmax(0, left - point.x) + std::fmax(0, point.x - right);
    const double dy = labelled ? point.y - truth[i].y : std::fmax(0, top - point.y) + std::fmax(0, point.y - bottom);
    const double spread = (sigmas[i] * 2) * (sigmas[i] * 2);
    terms.push_back(std::exp(-((dx * dx + dy * dy) / spread / (truth_area + std::numeric_limits<double>::epsilon()) / 2)));
  }
  return numpy_sum(terms) / static_cast<double>(terms.size());
}

void match(const Matching& matching, std::span<const AreaRange> ranges, std::span<Verdict> verdicts) {
  const std::size_t truths = matching.truths.size(), detections = matching.detection_areas.size();
  constexpr std::uint16_t every = (1 << iou_thresholds) - 1;
  double thresholds[iou_thresholds];
  for (int t = 0; t < iou_thresholds; ++t) thresholds[t] = iou_threshold(t);
  // Only overlaps that reach the lowest threshold can play a part. The comparison is so written that NaN does, as in the originals.
  std::vector<Candidate> candidates;
  std::vector<std::size_t> first(detections + 1);
  for (std::size_t d = 0; d < detections; ++d) {
    for (std::size_t g = 0; g < truths; ++g)
      if (const double overlap = matching.overlaps[d * truths + g]; !(overlap < thresholds[0]))
        candidates.push_back({static_cast<std::uint32_t>(g), overlap});
    first[d + 1] = candidates.size();
  }
  std::vector<std::uint16_t> taken(truths);  // bit t: at threshold t
  std::vector<std::uint8_t> ignored(truths);
  for (std::size_t a = 0; a < ranges.size(); ++a) {
    std::fill(taken.begin(), taken.end(), 0);
    for (std::size_t g = 0; g < truths; ++g) ignored[g] = matching.truths[g].ignored || !ranges[a].holds(matching.truths[g].area) ? 1 : 0;
    for (std::size_t d = 0; d < detections; ++d) {
      const std::span<const Candidate> near(candidates.data() + first[d], first[d + 1] - first[d]);
      std::uint16_t right = 0, aside = 0;  // aside: ignored because of what it matched
      for (int t = 0; t < iou_thresholds && !near.empty(); ++t) {
        const auto bit = static_cast<std::uint16_t>(1U << t);
        double best = thresholds[t];
        std::int64_t found = -1;
        for (std::uint8_t round = 0; round < 2 && found < 0; ++round)  // ignored objects come last
          for (const Candidate& candidate : near) {
            const std::size_t g = candidate.truth;
            if (ignored[g] != round || ((taken[g] & bit) != 0 && !matching.truths[g].crowd) || candidate.overlap < best) continue;
            best = candidate.overlap;
            found = static_cast<std::int64_t>(g);
          }
        if (found < 0) continue;
        const auto g = static_cast<std::size_t>(found);
        taken[g] |= bit;
        if (ignored[g] != 0) aside |= bit;
        if (matching.truths[g].counts) right |= bit;
      }
      const bool unmatched_ignored = !matching.exhaustive || !ranges[a].holds(matching.detection_areas[d]);
      const auto left_out = static_cast<std::uint16_t>(aside | (unmatched_ignored ? ~right & every : 0));
      verdicts[d * ranges.size() + a] = {static_cast<std::uint16_t>(right & ~left_out),
                                         static_cast<std::uint16_t>(~right & ~left_out & every)};
    }
  }
}

Curve curve_of(std::span<const Verdict> verdicts, std::int64_t truths, bool exact) {
  if (truths < 1) core::fail(core::Exit::internal, "a curve without ground truth");
  // Precision is highest, and recall rises, only where a detection is right: what is kept is the number of wrong ones before each.
  std::vector<std::uint32_t> before[iou_thresholds];
  std::uint32_t wrong[iou_thresholds] = {};
  for (const Verdict& verdict : verdicts) {
    for (unsigned bits = verdict.wrong; bits != 0; bits &= bits - 1) ++wrong[__builtin_ctz(bits)];
    for (unsigned bits = verdict.right; bits != 0; bits &= bits - 1) {
      const int t = __builtin_ctz(bits);
      before[t].push_back(wrong[t]);
    }
  }
  Curve out{std::vector<double>(static_cast<std::size_t>(iou_thresholds) * recall_levels), std::vector<double>(iou_thresholds)};
  const auto total = static_cast<double>(truths);
  std::vector<double> precision;
  for (std::size_t t = 0; t < iou_thresholds; ++t) {
    const std::size_t count = before[t].size();
    out.recall[t] = static_cast<double>(count) / total;
    precision.resize(count);
    double highest = 0;
    for (std::size_t k = count; k-- > 0;) {
      const auto right = static_cast<double>(k + 1);
      highest = std::max(highest, right / (before[t][k] + right + (exact ? 0 : std::numeric_limits<double>::epsilon())));
      precision[k] = highest;
    }
    std::size_t k = 0;
    for (int r = 0; r < recall_levels; ++r) {
      while (k < count && static_cast<double>(k + 1) / total < recall_level(r)) ++k;
      if (k == count) break;
      out.precision[t * recall_levels + static_cast<std::size_t>(r)] = precision[k];
    }
  }
  return out;
}

double numpy_mean(std::span<const double> values) { return numpy_sum(values) / static_cast<double>(values.size()); }

}  // namespace selfsight::metrics
