// The protocols of COCO and LVIS once more, for boxes and for masks that are lists of pixels: written from their definition without a
// thought for speed, as what the real thing is compared with.
#pragma once

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace selfsight::test {

using Json = nlohmann::json;

struct ReferenceObject {
  std::vector<double> box;
  std::vector<int> runs;
  double area = 0, score = 0;
  long id = 0;
  bool crowd = false, ignored = false, incomplete = false;
};

inline std::vector<bool> reference_pixels(const std::vector<int>& runs) {
  std::vector<bool> out;
  for (std::size_t i = 0; i < runs.size(); ++i) out.insert(out.end(), static_cast<std::size_t>(runs[i]), i % 2 == 1);
  return out;
}

inline double reference_overlap(const ReferenceObject& d, const ReferenceObject& g, bool mask) {
  if (mask) {
    const auto a = reference_pixels(d.runs), b = reference_pixels(g.runs);
    double common = 0, all = 0, area = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      common += a[i] && b[i] ? 1 : 0;
      all += a[i] || b[i] ? 1 : 0;
      area += a[i] ? 1 : 0;
    }
    return common == 0 ? 0 : common / (g.crowd ? area : all);
  }
  const double w = std::min(d.box[0] + d.box[2], g.box[0] + g.box[2]) - std::max(d.box[0], g.box[0]);
  const double h = std::min(d.box[1] + d.box[3], g.box[1] + g.box[3]) - std::max(d.box[1], g.box[1]);
  if (w <= 0 || h <= 0) return 0;
  const double area = d.box[2] * d.box[3];
  return w * h / (g.crowd ? area : area + g.box[2] * g.box[3] - w * h);
}

/// AP and AR by official name, NaN where there is no ground truth. `limits` of COCO as there.
inline std::map<std::string, double> reference_figures(const Json& truth, Json results, bool lvis, bool mask) {
  std::map<long, Json> images;
  std::map<long, Json> categories;
  for (const auto& image : truth.at("images")) images[image.at("id")] = image;
  for (const auto& category : truth.at("categories")) categories[category.at("id")] = category;
  const auto has = [](const Json& list, long id) { return std::find(list.begin(), list.end(), Json(id)) != list.end(); };

  if (lvis) {  // the best 300 of each image, images in the order in which they first appear
    std::vector<long> order;
    std::map<long, std::vector<Json>> groups;
    for (const auto& result : results) {
      const long image = result.at("image_id");
      if (groups[image].empty()) order.push_back(image);
      groups[image].push_back(result);
    }
    results = Json::array();
    for (const long image : order) {
      auto& group = groups[image];
      if (group.size() > 300) {
        std::stable_sort(group.begin(), group.end(), [](const Json& a, const Json& b) { return a.at("score") > b.at("score"); });
        group.resize(300);
      }
      for (const auto& one : group) results.push_back(one);
    }
  }
  const bool area_of_box = !results.empty() && results[0].contains("bbox");

  using Key = std::pair<long, long>;  // category, image
  std::map<Key, std::vector<ReferenceObject>> truths, detections;
  for (const auto& annotation : truth.at("annotations")) {
    const long image = annotation.at("image_id"), category = annotation.at("category_id");
    if (images.count(image) == 0 || categories.count(category) == 0) continue;
    if (lvis && annotation.at("area").get<double>() <= 0) continue;
    ReferenceObject one;
    one.box = annotation.value("bbox", std::vector<double>());
    if (mask) one.runs = annotation.at("segmentation").at("counts").get<std::vector<int>>();
    one.area = annotation.at("area");
    one.id = annotation.at("id");
    one.crowd = !lvis && annotation.value("iscrowd", 0) == 1;
    one.ignored = lvis ? annotation.value("ignore", 0) == 1 : one.crowd;
    truths[{category, image}].push_back(one);
  }
  for (const auto& result : results) {
    const long image = result.at("image_id"), category = result.at("category_id");
    if (categories.count(category) == 0) continue;
    ReferenceObject one;
    one.box = result.value("bbox", std::vector<double>());
    if (mask) one.runs = result.at("segmentation").at("counts").get<std::vector<int>>();
    if (area_of_box)
      one.area = one.box[2] * one.box[3];
    else
      for (std::size_t i = 1; i < one.runs.size(); i += 2) one.area += one.runs[i];
    one.score = result.at("score");
    if (lvis) {
      const auto& facts = images.at(image);
      if (one.area <= 0) continue;
      if (truths.count({category, image}) == 0 && !has(facts.at("neg_category_ids"), category)) continue;
      one.incomplete = has(facts.at("not_exhaustive_category_ids"), category);
    }
    detections[{category, image}].push_back(one);
  }
  for (auto& [key, list] : detections)
    std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.score > b.score; });

  const std::vector<std::pair<double, double>> ranges{{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};
  const std::vector<std::size_t> limits = lvis ? std::vector<std::size_t>{300} : std::vector<std::size_t>{1, 10, 100};
  // precision[range][category][threshold][level], recall[range][limit][category][threshold]
  std::map<std::size_t, std::map<long, std::vector<std::vector<double>>>> precision;
  std::map<std::pair<std::size_t, std::size_t>, std::map<long, std::vector<double>>> recall;
  for (const auto& [category, facts] : categories)
    for (std::size_t a = 0; a < ranges.size(); ++a)
      for (std::size_t l = 0; l < limits.size(); ++l) {
        long total = 0;
        const auto outside = [&](double area) { return area < ranges[a].first || area > ranges[a].second; };
        for (const auto& [key, list] : truths)
          if (key.first == category)
            for (const auto& g : list) total += !g.ignored && !outside(g.area) ? 1 : 0;
        if (total == 0) continue;
        std::vector<std::vector<double>> curves;
        std::vector<double> reached;
        for (int t = 0; t < 10; ++t) {
          const double threshold = t == 9 ? 0.95 : t * ((0.95 - 0.5) / 9) + 0.5;
          std::vector<std::pair<double, int>> all;
          for (const auto& [image, image_facts] : images) {
            auto found = truths.find({category, image});
            auto list = found == truths.end() ? std::vector<ReferenceObject>() : found->second;
            std::stable_sort(list.begin(), list.end(),
                             [&](const auto& x, const auto& y) { return (x.ignored || outside(x.area)) < (y.ignored || outside(y.area)); });
            std::vector<bool> taken(list.size());
            const auto& candidates = detections[{category, image}];
            for (std::size_t d = 0; d < std::min(candidates.size(), limits.back()); ++d) {
              double best = threshold;
              int match = -1;
              for (std::size_t g = 0; g < list.size(); ++g) {
                const bool ignored = list[g].ignored || outside(list[g].area);
                if (taken[g] && !list[g].crowd) continue;
                if (match > -1 && ignored) {
                  const auto& held = list[static_cast<std::size_t>(match)];
                  if (!held.ignored && !outside(held.area)) break;
                }
                const double overlap = reference_overlap(candidates[d], list[g], mask);
                if (overlap < best) continue;
                best = overlap;
                match = static_cast<int>(g);
              }
              bool right = false, left_out = false;
              if (match >= 0) {
                const auto& held = list[static_cast<std::size_t>(match)];
                taken[static_cast<std::size_t>(match)] = true;
                right = held.id != 0;
                left_out = held.ignored || outside(held.area);
              }
              if (!right && (outside(candidates[d].area) || candidates[d].incomplete)) left_out = true;
              if (d < limits[l]) all.emplace_back(candidates[d].score, left_out ? -1 : right ? 1 : 0);
            }
          }
          std::stable_sort(all.begin(), all.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
          std::vector<double> recalls, precisions;
          double right = 0, wrong = 0;
          for (const auto& [score, what] : all) {
            right += what == 1 ? 1 : 0;
            wrong += what == 0 ? 1 : 0;
            recalls.push_back(right / static_cast<double>(total));
            precisions.push_back(right / (wrong + right + std::numeric_limits<double>::epsilon()));
          }
          for (std::size_t i = precisions.size(); i-- > 1;) precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
          std::vector<double> curve;
          for (int r = 0; r <= 100; ++r) {
            const auto at = std::lower_bound(recalls.begin(), recalls.end(), r == 100 ? 1.0 : r * 0.01) - recalls.begin();
            curve.push_back(at < static_cast<std::ptrdiff_t>(recalls.size()) ? precisions[static_cast<std::size_t>(at)] : 0);
          }
          curves.push_back(curve);
          reached.push_back(recalls.empty() ? 0 : recalls.back());
        }
        precision[a][category] = curves;  // that of the last limit stays
        recall[{a, l}][category] = reached;
      }

  const auto ap = [&](std::size_t a, int first, int last, const std::string& frequency) {
    double sum = 0;
    std::size_t count = 0;
    for (const auto& [category, curves] : precision[a]) {
      if (!frequency.empty() && categories.at(category).at("frequency") != frequency) continue;
      for (int t = first; t <= last; ++t)
        for (const double value : curves[static_cast<std::size_t>(t)]) sum += value, ++count;
    }
    return count == 0 ? std::nan("") : sum / static_cast<double>(count);
  };
  const auto ar = [&](std::size_t a, std::size_t l) {
    double sum = 0;
    std::size_t count = 0;
    for (const auto& [category, reached] : recall[{a, l}])
      for (const double value : reached) sum += value, ++count;
    return count == 0 ? std::nan("") : sum / static_cast<double>(count);
  };
  std::map<std::string, double> out{{"AP", ap(0, 0, 9, "")},  {"AP50", ap(0, 0, 0, "")}, {"AP75", ap(0, 5, 5, "")},
                                    {"APs", ap(1, 0, 9, "")}, {"APm", ap(2, 0, 9, "")},  {"APl", ap(3, 0, 9, "")}};
  if (lvis)
    for (const char* frequency : {"r", "c", "f"}) out[std::string("AP") + frequency] = ap(0, 0, 9, frequency);
  for (std::size_t l = 0; l < limits.size(); ++l) out["AR@" + std::to_string(limits[l])] = ar(0, l);
  for (std::size_t a = 1; a < 4; ++a) out[std::string("AR") + "?sml"[a] + "@" + std::to_string(limits.back())] = ar(a, limits.size() - 1);
  return out;
}

}  // namespace selfsight::test
