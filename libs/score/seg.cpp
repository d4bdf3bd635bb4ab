#include "score/seg.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/threads.h"
#include "metrics/segmentation.h"
#include "score/headline.h"
#include "score/mask_files.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>
#include <set>
#include <sstream>

namespace selfsight::score {

namespace {

using core::Exit;
using core::fail;
using manifest::Json;

/// Paths of the PNG files below `folder` that end in `suffix`.png, without hidden ones, relative to it and without that end, sorted.
std::vector<std::string> stems_below(const fs::path& folder, const std::string& suffix) {
  const std::string end = suffix + ".png";
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    const std::string path = entry.path().lexically_relative(folder).string();
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (!hidden && path.size() > end.size() && path.ends_with(end) && entry.is_regular_file())
      out.push_back(path.substr(0, path.size() - end.size()));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<MaskPair> pairs_of(const SegOptions& options, const fs::path& predictions) {
  if (options.truth.empty()) fail(Exit::usage, "say with --truth DIR where the label images of the truth are");
  core::need_folder(options.truth, "--truth");
  if (!options.images.empty()) core::need_folder(options.images, "--images");
  std::vector<MaskPair> out;
  for (const std::string& stem : stems_below(options.truth, options.truth_suffix)) {
    MaskPair pair{.name = stem,
                  .truth = fs::path(options.truth) / (stem + options.truth_suffix + ".png"),
                  .prediction = predictions / (stem + options.prediction_suffix + ".png"),
                  .image = {}};
    for (const char* extension : {".jpg", ".jpeg", ".png"}) {
      std::error_code ignored;
      const fs::path image = fs::path(options.images) / (stem + extension);
      if (!options.images.empty() && pair.image.empty() && fs::exists(image, ignored)) pair.image = image;
    }
    out.push_back(std::move(pair));
  }
  if (out.empty()) fail(Exit::bad_data, "{}: no label image in it (files ending in {}.png)", options.truth, options.truth_suffix);
  return out;
}

/// Says which predictions no truth is compared with: a truth that lacks a part of its files would be scored without a word.
void tell_unpaired(const SegOptions& options, const std::vector<MaskPair>& pairs, const fs::path& predictions) {
  std::set<fs::path> known;  // the truth too, which may lie in the same folder
  for (const MaskPair& pair : pairs) {
    known.insert(fs::absolute(pair.truth).lexically_normal());
    known.insert(pair.prediction.lexically_normal());
  }
  std::vector<std::string> unpaired;
  for (const std::string& stem : stems_below(predictions, options.prediction_suffix)) {
    const std::string file = stem + options.prediction_suffix + ".png";
    if (!known.contains((predictions / file).lexically_normal())) unpaired.push_back(file);
  }
  if (!unpaired.empty())
    core::log_warning("{}: {} of its label images have no truth in {} and are passed over, {} for one", predictions.string(),
                      unpaired.size(), options.truth, unpaired.front());
}

/// The lines of a file of names.
std::vector<std::string> names_in(const std::string& file) {
  std::vector<std::string> names;
  std::istringstream lines(core::read_text(file));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (std::find(names.begin(), names.end(), line) != names.end()) fail(Exit::bad_data, "{}: names '{}' twice", file, line);
    names.push_back(line);
  }
  if (names.empty()) fail(Exit::bad_data, "{}: is empty, where the names of the classes are expected", file);
  return names;
}

/// The names of the classes: those given, or the lines of the file given. A single class is no segmentation: one word is a file, unless
/// --classes 1 says otherwise.
std::vector<std::string> class_names(const SegOptions& options) {
  std::vector<std::string> names = options.labels;
  std::error_code ignored;
  if (names.size() == 1 && fs::is_regular_file(names[0], ignored))
    names = names_in(names[0]);
  else if (names.size() == 1 && options.classes != 1)
    fail(Exit::no_input, "--labels {}: no such file (the name of a single class takes --classes 1)", names[0]);
  if (names.empty() && options.classes == 0)
    fail(Exit::usage, "say with --classes N how many classes there are, or name them with --labels");
  if (!names.empty() && options.classes != 0 && static_cast<std::int64_t>(names.size()) != options.classes)
    fail(Exit::usage, "--labels has {} names for --classes {}", names.size(), options.classes);
  if (names.empty())
    for (std::int64_t c = 0; c < options.classes; ++c) names.push_back(std::to_string(c));
  if (names.size() > 65535) fail(Exit::usage, "--labels: {} classes, at most 65535 fit into label images", names.size());
  return names;
}

class Scorer {
 public:
  Scorer(const SegOptions& options, std::vector<std::string> names)
      : names_(std::move(names)), classes_(static_cast<std::int64_t>(names_.size())), slots_(65536, unknown) {
    for (std::int64_t c = 0; c < classes_; ++c) slots_[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(c);
    for (const std::int64_t label : options.void_labels) slots_[static_cast<std::size_t>(label)] = nowhere;
  }

  /// What one pair adds.
  metrics::ClassCounts counts_of(const MaskPair& pair, data::Labels& truth, data::Labels& prediction) const {
    read_pair(pair, truth, prediction);
    metrics::ClassCounts counts(classes_);
    bool strange = false;
    metrics::for_each_common_run(view_of(truth), view_of(prediction), [&](std::uint16_t t, std::uint16_t p, std::int64_t pixels) {
      const std::int32_t label = slots_[t], predicted = slots_[p];
      strange = strange || label == unknown || predicted == unknown;
      if (label >= 0) counts.add(label, predicted, pixels);
    });
    if (strange) refuse(pair.truth, truth), refuse(pair.prediction, prediction);
    return counts;
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  static constexpr std::int32_t nowhere = -1, unknown = -2;

  /// Error when `image` holds a label that means nothing.
  void refuse(const fs::path& file, const data::Labels& image) const {
    for (std::size_t i = 0; i < image.values.size(); ++i)
      if (slots_[image.values[i]] == unknown)
        fail(Exit::bad_data, "{}: label {} at column {}, row {}: neither a class (0 to {}) nor void (--void)", file.string(),
             image.values[i], static_cast<std::int64_t>(i) % image.width, static_cast<std::int64_t>(i) / image.width, classes_ - 1);
  }

  std::vector<std::string> names_;
  std::int64_t classes_;
  std::vector<std::int32_t> slots_;  ///< by label: its class, nowhere for void, or unknown
};

double percent(std::optional<double> share) { return share ? 100 * *share : std::numeric_limits<double>::quiet_NaN(); }

Json class_table(const std::vector<std::string>& names, const metrics::ClassCounts& counts, const metrics::SegmentationScores& scores) {
  const std::int64_t pixels = std::accumulate(counts.truth.begin(), counts.truth.end(), std::int64_t{0});
  Json rows = Json::array();
  for (std::size_t c = 0; c < names.size(); ++c) {
    const double share = static_cast<double>(counts.truth[c]) / static_cast<double>(pixels);
    rows.push_back(
        {{"name", names[c]}, {"values", {number(percent(scores.iou[c])), number(percent(scores.accuracy[c])), number(percent(share))}}});
  }
  Json columns = Json::array();
  for (const char* name : {"IoU", "accuracy", "share of the pixels"}) columns.push_back({{"name", name}, {"unit", "%"}});
  return {{"kind", "items"}, {"title", "Classes"}, {"item", "class"}, {"columns", std::move(columns)}, {"rows", std::move(rows)}};
}

void add_rows(const SegOptions& options, const metrics::SegmentationScores& scores, std::size_t classes, std::size_t images,
              manifest::Metrics& metrics) {
  const Json protocol = {{"classes", classes}, {"void", options.void_labels}, {"images", images}, {"pixels", "of all images in one table"}};
  metrics.rows.push_back(row("mIoU", percent(scores.mean_iou), "%", protocol, {{"mean over", "classes in truth or prediction"}}));
  metrics.rows.push_back(row("pixel accuracy", percent(scores.pixel_accuracy), "%", protocol));
  metrics.rows.push_back(row("mean class accuracy", percent(scores.mean_accuracy), "%", protocol, {{"mean over", "classes in the truth"}}));
  metrics.rows.push_back(row("frequency-weighted IoU", percent(scores.frequency_weighted_iou), "%", protocol,
                             {{"weights", "share of each class in the labelled pixels"}}));
}

}  // namespace

void SegOptions::describe(core::Options& options) {
  options.group("Truth");
  options.add("truth", &truth, "folder of label images (PNG, indexed or grey)").metavar("DIR");
  options.add("classes", &classes, "number of classes: labels 0 to N - 1; 0: as many as --labels names").range(0, 65535);
  options.add("void", &void_labels, "labels of pixels that do not count; may be among the classes").range(0, 65535).distinct();
  options.add("labels", &labels, "names of the classes in their order, or a file with one a line").metavar("NAME,...|FILE").distinct();
  options.group("Files");
  options.add("truth-suffix", &truth_suffix, "what the truth's file names have behind the common part, such as _gtFine_labelIds")
      .metavar("TEXT");
  options.add("prediction-suffix", &prediction_suffix, "the same for the predictions").metavar("TEXT");
  options.add("images", &images, "folder of the images themselves, for the report").metavar("DIR");
  options.add("overlays", &overlays, "worst, middle and best images to name in the manifest, for the report").range(0, 1000);
  options.group("");
}

manifest::Metrics score_seg(const SegOptions& options, const std::string& predictions, int threads) {
  const Scorer scorer(options, class_names(options));
  manifest::Metrics metrics;
  const fs::path folder = predictions_folder(predictions, seg_task, metrics);
  const std::vector<MaskPair> pairs = pairs_of(options, folder);
  tell_unpaired(options, pairs, folder);
  metrics::ClassCounts total(static_cast<std::int64_t>(scorer.names().size()));
  std::vector<double> values(pairs.size());
  std::mutex mutex;
  core::parallel_for(static_cast<std::int64_t>(pairs.size()), 1, threads, [&](std::int64_t begin, std::int64_t end) {
    thread_local data::Labels truth, prediction;
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      const metrics::ClassCounts counts = scorer.counts_of(pairs[k], truth, prediction);
      const auto own = metrics::segmentation_scores(counts);
      values[k] = own ? percent(own->mean_iou) : std::numeric_limits<double>::quiet_NaN();
      const std::lock_guard lock(mutex);  // whole numbers: the sum does not depend on who comes first
      total += counts;
    }
  });
  const auto scores = metrics::segmentation_scores(total);
  if (!scores) fail(Exit::bad_data, "{}: every pixel is void (--void)", options.truth);
  add_rows(options, *scores, scorer.names().size(), pairs.size(), metrics);
  const std::string subject = folder.filename().string();
  for (manifest::Row& one : metrics.rows) one.subject = subject;
  metrics.breakdowns.push_back(class_table(scorer.names(), total, *scores));
  Json further = {{"item", "class"}};
  if (!options.labels.empty()) further["labels"] = scorer.names();
  for (Json& part : overlays(pairs, values, "mIoU of the image", "%", options.overlays, further))
    metrics.breakdowns.push_back(std::move(part));
  say_headline(subject, {{"mIoU", percent(scores->mean_iou), "%"}, {"pixel accuracy", percent(scores->pixel_accuracy), "%"}},
               fmt::format("{} images", pairs.size()));
  return metrics;
}

}  // namespace selfsight::score
