#include "score/detect_evaluate.h"

#include "core/error.h"
#include "core/threads.h"

#include <algorithm>
#include <atomic>
#include <numeric>

namespace selfsight::score {

namespace {

constexpr std::size_t most_ranges = 4;
constexpr std::size_t page_cluster = 65536;  // bytes that a jump in a mapped file makes resident
constexpr std::int64_t images_at_once = 8;

/// What one detection came to.
struct Outcome {
  double score = 0;
  std::uint32_t category = unknown_category;  ///< unknown: took no part
  std::uint32_t rank = 0;                     ///< by score in its image and category
  metrics::Verdict verdicts[most_ranges];
};

/// The numbers of the entries of each image, in the order of the file.
struct ByImage {
  std::vector<std::uint32_t> items;
  std::vector<std::size_t> first;  ///< of image i: items [first[i], first[i + 1])
};

ByImage group_by_image(const Results& results, std::size_t images) {
  ByImage out{std::vector<std::uint32_t>(results.entries.size()), std::vector<std::size_t>(images + 1)};
  for (const Entry& entry : results.entries) ++out.first[entry.image + 1];
  std::partial_sum(out.first.begin(), out.first.end(), out.first.begin());
  std::vector<std::size_t> next(out.first.begin(), out.first.end() - 1);
  for (std::size_t i = 0; i < results.entries.size(); ++i) out.items[next[results.entries[i].image]++] = static_cast<std::uint32_t>(i);
  return out;
}

/// By falling score, ties in the order of the file.
void sort_by_score(const Results& results, std::vector<std::uint32_t>& items) {
  std::sort(items.begin(), items.end(), [&](std::uint32_t a, std::uint32_t b) {
    const double x = results.entries[a].score, y = results.entries[b].score;
    return x != y ? x > y : a < b;
  });
}

metrics::Box box_of_keypoints(const std::vector<metrics::Keypoint>& points) {
  double left = points[0].x, right = left, top = points[0].y, bottom = top;
  for (const auto& point : points) {
    left = std::min(left, point.x);
    right = std::max(right, point.x);
    top = std::min(top, point.y);
    bottom = std::max(bottom, point.y);
  }
  return {left, top, right - left, bottom - top};
}

/// Everything that is done for one image. One for each chunk of images, so that lists keep their memory.
class ImageMatcher {
 public:
  ImageMatcher(const GroundTruth& truth, const Results& results, const Evaluation& rules)
      : truth_(truth), results_(results), rules_(rules), lvis_(truth.protocol == Protocol::lvis) {}

  /// `items`: entries of the image. Writes one outcome for each that takes part.
  void run(std::size_t image, std::span<const std::uint32_t> items, std::span<Outcome> outcomes) {
    image_ = image;
    items_.assign(items.begin(), items.end());
    sort_by_score(results_, items_);
    if (lvis_ && items_.size() > rules_.limits.back()) items_.resize(rules_.limits.back());
    std::erase_if(items_, [&](std::uint32_t item) { return !takes_part(results_.entries[item].category); });
    std::stable_sort(items_.begin(), items_.end(), [&](std::uint32_t a, std::uint32_t b) { return category(a) < category(b); });
    for (std::size_t i = 0; i < items_.size();) {
      std::size_t end = i;
      while (end < items_.size() && category(items_[end]) == category(items_[i])) ++end;
      std::span<const std::uint32_t> group(items_.data() + i, end - i);
      if (!lvis_) group = group.first(std::min<std::size_t>(group.size(), rules_.limits.back()));
      const std::size_t count = match_category(category(items_[i]), group, outcomes);
      outcomes = outcomes.subspan(count);
      i = end;
    }
  }
  [[nodiscard]] std::int64_t other_size() const { return other_size_; }

 private:
  [[nodiscard]] std::uint32_t category(std::uint32_t item) const { return results_.entries[item].category; }

  [[nodiscard]] std::span<const Annotation> annotations(std::uint32_t category) const {
    const auto begin = truth_.annotations.begin() + static_cast<std::ptrdiff_t>(truth_.first[image_]);
    const auto end = truth_.annotations.begin() + static_cast<std::ptrdiff_t>(truth_.first[image_ + 1]);
    const auto low = std::lower_bound(begin, end, category, [](const Annotation& a, std::uint32_t c) { return a.category < c; });
    const auto high = std::upper_bound(low, end, category, [](std::uint32_t c, const Annotation& a) { return c < a.category; });
    return {low, high};
  }

  /// LVIS knows only of some categories whether they are in an image: those annotated there, and those listed as absent.
  [[nodiscard]] bool takes_part(std::uint32_t category) const {
    if (category == unknown_category) return false;
    const std::vector<std::uint32_t>& absent = truth_.images[image_].absent;
    return !lvis_ || !annotations(category).empty() || std::binary_search(absent.begin(), absent.end(), category);
  }

  std::size_t match_category(std::uint32_t category, std::span<const std::uint32_t> items, std::span<Outcome> outcomes) {
    const std::span<const Annotation> truths = annotations(category);
    read_truths(truths);
    overlaps_.clear();
    areas_.clear();
    kept_.clear();
    for (const std::uint32_t item : items) {
      read_detection(item, !truths.empty());
      if (lvis_ && !(area_ > 0)) continue;  // lvis asks for detections of an area above 0
      kept_.push_back(item);
      areas_.push_back(area_);
      for (std::size_t g = 0; g < truths.size(); ++g) overlaps_.push_back(overlap(truths[g], g));
    }
    const std::vector<std::uint32_t>& incomplete = truth_.images[image_].incomplete;
    const std::size_t ranges = rules_.ranges.size();
    verdicts_.assign(kept_.size() * ranges, {});
    metrics::match({truths_, overlaps_, areas_, !std::binary_search(incomplete.begin(), incomplete.end(), category)}, rules_.ranges,
                   verdicts_);
    for (std::size_t d = 0; d < kept_.size(); ++d) {
      Outcome& out = outcomes[d];
      out.score = results_.entries[kept_[d]].score;
      out.category = category;
      out.rank = static_cast<std::uint32_t>(d);
      std::copy_n(verdicts_.begin() + static_cast<std::ptrdiff_t>(d * ranges), ranges, out.verdicts);
    }
    return kept_.size();
  }

  void read_truths(std::span<const Annotation> annotations) {
    truths_.clear();
    truth_masks_.resize(std::max(truth_masks_.size(), annotations.size()));
    truth_mask_areas_.clear();
    truth_points_.resize(std::max(truth_points_.size(), annotations.size()));
    for (std::size_t g = 0; g < annotations.size(); ++g) {
      const Annotation& annotation = annotations[g];
      truths_.push_back({annotation.area, annotation.crowd, annotation.ignored, annotation.id != 0 || rules_.corrected});
      if (rules_.scored == Scored::mask) {
        read_mask_of_image(*truth_.file, annotation.shape.segmentation, {"annotations", annotation.item, "segmentation"}, truth_masks_[g]);
        truth_mask_areas_.push_back(metrics::rle_area(truth_masks_[g]));
      }
      if (rules_.scored == Scored::keypoints)
        read_keypoints(*truth_.file, annotation.shape.keypoints, rules_.sigmas.size(), {"annotations", annotation.item, "keypoints"},
                       truth_points_[g]);
    }
  }

  void read_mask_of_image(PagedText& file, std::size_t at, const Place& place, metrics::Rle& out) {
    const TruthImage& image = truth_.images[image_];
    read_mask(file, at, image.height, image.width, place, out);
    file.used(page_cluster);
  }

  /// Sets what is needed of box_, mask_ and points_, and area_. `compared`: there is ground truth to compare it with.
  void read_detection(std::uint32_t item, bool compared) {
    std::size_t end = 0;
    const std::size_t at = results_.entries[item].at;
    const Shape shape = read_shape(results_, item, &end);
    results_.file->used(end - at + (at < last_ || at > last_ + page_cluster ? page_cluster : at - last_));
    last_ = end;
    const auto lacks = [&](const char* field) {
      core::fail(core::Exit::bad_data, "{}: /{}: no '{}'{}", results_.file->name(), item, field,
                 rules_.area == Scored::box && !rules_.corrected ? " (the first result has a bbox, so every result must have one)" : "");
    };
    const bool by_mask = rules_.area == Scored::mask, by_points = rules_.area == Scored::keypoints;
    if (rules_.area == Scored::box && !shape.has_box && !rules_.corrected) lacks("bbox");
    box_ = shape.box;
    if (by_points || (rules_.scored == Scored::keypoints && compared)) {
      if (shape.keypoints == 0) lacks("keypoints");
      read_keypoints(*results_.file, shape.keypoints, rules_.scored == Scored::keypoints ? rules_.sigmas.size() : 0,
                     {"", item, "keypoints"}, points_);
      if (!shape.has_box) box_ = box_of_keypoints(points_);
    }
    const bool box_from_mask = rules_.scored == Scored::box && !shape.has_box && !by_points;
    if (by_mask || box_from_mask || (rules_.scored == Scored::mask && compared)) read_detected_mask(item, shape, lacks);
    if (box_from_mask) box_ = metrics::rle_box(mask_);
    if (by_points) {
      const metrics::Box bounds = box_of_keypoints(points_);
      area_ = bounds[2] * bounds[3];
    } else {
      area_ = by_mask ? mask_area_ : box_[2] * box_[3];
    }
  }

  template <class Lacks>
  void read_detected_mask(std::uint32_t item, const Shape& shape, const Lacks& lacks) {
    const TruthImage& image = truth_.images[image_];
    if (shape.segmentation != 0) {
      read_mask(*results_.file, shape.segmentation, image.height, image.width, {"", item, "segmentation"}, mask_);
    } else if (shape.has_box) {
      const double right = box_[0] + box_[2], bottom = box_[1] + box_[3];
      const double corners[] = {box_[0], box_[1], box_[0], bottom, right, bottom, right, box_[1]};
      mask_ = metrics::rle_of_polygon(corners, image.height, image.width);
    } else {
      lacks(rules_.scored == Scored::box ? "bbox" : "segmentation");
    }
    mask_area_ = metrics::rle_area(mask_);
    if (mask_.height != image.height || mask_.width != image.width) ++other_size_;
  }

  double overlap(const Annotation& annotation, std::size_t g) const {
    if (rules_.scored == Scored::box) return metrics::box_iou(box_, annotation.shape.box, annotation.crowd);
    if (rules_.scored == Scored::keypoints)
      return metrics::keypoint_similarity(points_, truth_points_[g], annotation.shape.box, annotation.area, rules_.sigmas);
    // Masks that differ so much in size cannot reach the lowest threshold: no need to look at them.
    const std::uint64_t one = mask_area_, other = truth_mask_areas_[g];
    if (!annotation.crowd && 2 * std::min(one, other) < std::max(one, other)) return 0;
    return metrics::rle_iou(mask_, truth_masks_[g], annotation.crowd);
  }

  const GroundTruth& truth_;
  const Results& results_;
  const Evaluation& rules_;
  bool lvis_;
  std::size_t image_ = 0, last_ = 0;
  std::int64_t other_size_ = 0;
  std::vector<std::uint32_t> items_, kept_;
  std::vector<metrics::Truth> truths_;
  std::vector<metrics::Rle> truth_masks_;
  std::vector<std::uint32_t> truth_mask_areas_;
  std::vector<std::vector<metrics::Keypoint>> truth_points_;
  metrics::Box box_{};
  metrics::Rle mask_;
  std::uint32_t mask_area_ = 0;
  std::vector<metrics::Keypoint> points_;
  double area_ = 0;
  std::vector<double> overlaps_, areas_;
  std::vector<metrics::Verdict> verdicts_;
};

std::vector<std::vector<std::int64_t>> count_truths(const GroundTruth& truth, const Evaluation& rules) {
  std::vector<std::vector<std::int64_t>> out(truth.categories.size(), std::vector<std::int64_t>(rules.ranges.size()));
  for (const Annotation& annotation : truth.annotations)
    for (std::size_t a = 0; a < rules.ranges.size(); ++a)
      out[annotation.category][a] += !annotation.ignored && rules.ranges[a].holds(annotation.area) ? 1 : 0;
  return out;
}

/// `places`: outcomes of the category, by image and rank.
CategoryScore score_category(const std::vector<Outcome>& outcomes, std::span<std::uint32_t> places, std::vector<std::int64_t> truths,
                             const Evaluation& rules) {
  std::sort(places.begin(), places.end(), [&](std::uint32_t a, std::uint32_t b) {
    return outcomes[a].score != outcomes[b].score ? outcomes[a].score > outcomes[b].score : a < b;
  });
  CategoryScore out;
  out.truths = std::move(truths);
  out.detections = static_cast<std::int64_t>(places.size());
  out.curves.resize(rules.ranges.size());
  out.recalls.resize(rules.ranges.size());
  std::vector<metrics::Verdict> verdicts;
  for (std::size_t a = 0; a < rules.ranges.size(); ++a) {
    if (out.truths[a] == 0) continue;
    for (const std::uint32_t limit : rules.limits) {
      verdicts.clear();
      for (const std::uint32_t place : places)
        if (outcomes[place].rank < limit) verdicts.push_back(outcomes[place].verdicts[a]);
      out.curves[a] = metrics::curve_of(verdicts, out.truths[a], rules.corrected);  // that of the last limit stays
      out.recalls[a].insert(out.recalls[a].end(), out.curves[a].recall.begin(), out.curves[a].recall.end());
    }
  }
  return out;
}

}  // namespace

Evaluation official_evaluation(const GroundTruth& truth, const Results& results, Scored scored, const std::vector<double>& sigmas) {
  const bool lvis = truth.protocol == Protocol::lvis;
  Evaluation out;
  out.scored = out.area = scored;
  out.ranges = scored == Scored::keypoints ? metrics::keypoint_area_ranges() : metrics::area_ranges();
  if (lvis)
    out.limits = {300};
  else if (scored == Scored::keypoints)
    out.limits = {20};
  else
    out.limits = {1, 10, 100};
  out.sigmas = sigmas;
  if (results.entries.empty()) return out;

  // lvis takes the best of each image before it looks at the first one.
  std::size_t first = 0;
  if (lvis) {
    std::vector<std::uint32_t> items;
    for (std::size_t i = 0; i < results.entries.size(); ++i)
      if (results.entries[i].image == results.entries[0].image) items.push_back(static_cast<std::uint32_t>(i));
    if (items.size() > out.limits.back()) sort_by_score(results, items);
    first = items[0];
  }
  const Shape shape = read_shape(results, first);
  if (shape.has_box)
    out.area = Scored::box;
  else if (shape.segmentation != 0)
    out.area = Scored::mask;
  else if (shape.keypoints != 0 && !lvis)
    out.area = Scored::keypoints;
  else
    core::fail(core::Exit::bad_data, "{}: /{}: neither bbox nor segmentation{}", results.file->name(), first, lvis ? "" : " nor keypoints");
  return out;
}

bool corrections_matter(const Evaluation& official, const GroundTruth& truth) {
  return official.area != official.scored ||
         std::any_of(truth.annotations.begin(), truth.annotations.end(), [](const Annotation& annotation) { return annotation.id == 0; });
}

Evaluated evaluate(const GroundTruth& truth, const Results& results, const Evaluation& rules, int threads) {
  std::vector<Outcome> outcomes(results.entries.size());
  std::atomic<std::int64_t> other_size{0};
  {
    const ByImage by_image = group_by_image(results, truth.images.size());
    core::parallel_for(static_cast<std::int64_t>(truth.images.size()), images_at_once, threads, [&](std::int64_t begin, std::int64_t end) {
      ImageMatcher matcher(truth, results, rules);
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        const std::size_t from = by_image.first[i], count = by_image.first[i + 1] - from;
        matcher.run(i, std::span(by_image.items).subspan(from, count), std::span(outcomes).subspan(from, count));
      }
      other_size += matcher.other_size();
    });
  }

  std::vector<std::size_t> first(truth.categories.size() + 1);
  for (const Outcome& outcome : outcomes)
    if (outcome.category != unknown_category) ++first[outcome.category + 1];
  std::partial_sum(first.begin(), first.end(), first.begin());
  std::vector<std::uint32_t> places(first.back());
  std::vector<std::size_t> next(first.begin(), first.end() - 1);
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].category != unknown_category) places[next[outcomes[i].category]++] = static_cast<std::uint32_t>(i);

  std::vector<std::vector<std::int64_t>> truths = count_truths(truth, rules);
  Evaluated out;
  out.categories.resize(truth.categories.size());
  out.other_size = other_size;
  core::parallel_for(static_cast<std::int64_t>(truth.categories.size()), 1, threads, [&](std::int64_t begin, std::int64_t end) {
    for (auto c = static_cast<std::size_t>(begin); c < static_cast<std::size_t>(end); ++c)
      out.categories[c] =
          score_category(outcomes, std::span(places).subspan(first[c], first[c + 1] - first[c]), std::move(truths[c]), rules);
  });
  return out;
}

}  // namespace selfsight::score
