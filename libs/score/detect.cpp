#include "score/detect.h"

#include "core/error.h"
#include "core/log.h"
#include "core/memory.h"
#include "score/detect_evaluate.h"
#include "score/detect_rows.h"
#include "score/headline.h"

#include <algorithm>
#include <future>

namespace selfsight::score {

namespace {

constexpr std::uint64_t memory_of_thread = std::uint64_t{64} << 20;

namespace fs = manifest::fs;
using core::Exit;
using core::fail;

/// The file of results, and the manifest that named it where one did.
struct Input {
  fs::path path;
  std::string digest;  ///< that it must have, "" for any
  std::string origin;
  std::vector<manifest::Json> inputs;
};

/// True for an object whose first level has a field "manifest": what else begins with '{' is JSON Lines.
bool is_manifest(const std::string& path) {
  const PagedText file{fs::path(path)};
  JsonScan scan(file.text(), 0, file.name());
  if (scan.peek() != '{') return false;
  scan.begin_object();
  std::string_view key;
  for (bool first = true; scan.next_member(first, key); scan.skip())
    if (key == "manifest") return true;
  return false;
}

Input find_results(const std::string& input) {
  if (input != "-" && !is_manifest(input)) return {input, "", "", {}};
  const manifest::Document document = manifest::read_document(input);
  const auto predictions = manifest::from_json<manifest::Predictions>(document.json, document.folder, document.origin);
  std::error_code ignored;
  if (fs::is_directory(predictions.data.path, ignored))
    fail(Exit::bad_data, "{}: /data: {} is a folder, where a file of results is expected", document.origin, predictions.data.path.string());
  if (!fs::exists(predictions.data.path, ignored))
    fail(Exit::no_input, "{}: the results that {} names are missing", predictions.data.path.string(), document.origin);
  return {predictions.data.path,
          predictions.data.digest,
          document.origin,
          {manifest::input_entry(document.kind, document.origin, document.json)}};
}

Scored scored_of(const std::string& type) { return type == "mask" ? Scored::mask : type == "keypoints" ? Scored::keypoints : Scored::box; }

}  // namespace

void DetectOptions::describe(core::Options& options) {
  options.add("ground-truth", &ground_truth, "annotations in the format of LVIS (v0.5, v1) or COCO (instances, person keypoints)")
      .letter('g')
      .metavar("FILE");
  options.add("type", &type, "what is compared").choices({"box", "mask", "keypoints"});
  options.add("protocol", &protocol, "auto: lvis where the images of the ground truth have neg_category_ids, else coco")
      .choices({"auto", "lvis", "coco"});
  options.add("corrected", &corrected, "also the figures without the faults named above, as \"AP (corrected)\" and so on");
  options
      .add("oks-sigmas", &sigmas,
           "keypoints: the standard deviation of each point, relative to the object's scale; none: those of COCO's 17")
      .range(1e-9)
      .only_with("type", {"keypoints"});
}

manifest::Metrics score_detections(const DetectOptions& options, const std::string& input, int threads) {
  if (options.ground_truth.empty()) fail(Exit::usage, "say with --ground-truth FILE what the results are compared with");
  const Scored scored = scored_of(options.type);
  const bool coco_points = options.sigmas.empty();
  if (const std::uint64_t bound = core::memory_bound(); bound > 0)  // each thread takes its share, if only for its stack
    threads = static_cast<int>(std::clamp<std::uint64_t>(bound / memory_of_thread, 1, static_cast<std::uint64_t>(threads)));
  const Input source = find_results(input);
  const GroundTruth truth = read_ground_truth(options.ground_truth, options.protocol, scored);
  core::log_info("{}: {} images, {} categories, {} annotations ({})", truth.file->name(), truth.images.size(), truth.categories.size(),
                 truth.annotations.size(), truth.protocol == Protocol::lvis ? "LVIS" : "COCO");
  if (truth.unknown > 0) core::log_warning("{} annotations are of unknown images or categories and take no part", truth.unknown);

  // A second thread, where there is one, takes the digest meanwhile.
  PagedText hashed(source.path);
  const auto when = threads > 1 ? std::launch::async | std::launch::deferred : std::launch::deferred;
  auto digest = std::async(when, [&] { return hashed.digest(); });
  const Results results = read_results(source.path, truth);
  core::log_info("{}: {} results", results.file->name(), results.entries.size());
  if (results.entries.empty()) core::log_warning("{}: no results at all", results.file->name());
  if (results.unknown > 0) core::log_warning("{} results are of categories that the ground truth lacks and take no part", results.unknown);
  if (results.negative > 0) core::log_warning("{} results have boxes of negative width or height: they match nothing", results.negative);
  if (results.outside > 0)
    core::log_warning("{} results have boxes that lie outside of their image: are they x, y, width, height in pixels?", results.outside);
  const std::string results_digest = digest.get();
  if (!source.digest.empty() && source.digest != results_digest)
    fail(Exit::bad_data, "{}: the results are not those that {} names ({} there, {} found): make the manifest again or put the file back",
         source.path.string(), source.origin, source.digest, results_digest);

  manifest::Metrics out;
  out.inputs = source.inputs;
  out.inputs.push_back({{"kind", "ground truth"}, {"path", truth.file->name()}, {"digest", truth.file->digest()}});
  out.inputs.push_back({{"kind", "results"}, {"path", results.file->name()}, {"digest", results_digest}});

  const Evaluation official = official_evaluation(truth, results, scored, coco_points ? metrics::coco_sigmas() : options.sigmas);
  const auto add = [&](const Evaluation& rules) {
    const Evaluated evaluated = evaluate(truth, results, rules, threads);
    if (evaluated.other_size > 0 && !rules.corrected)
      core::log_warning("{} results have masks of another size than their image: they match nothing", evaluated.other_size);
    add_rows(out, truth, results, rules, evaluated);
    if (rules.corrected) return;
    add_breakdowns(out, truth, rules, evaluated);
    const auto& categories = evaluated.categories;
    if (std::none_of(categories.begin(), categories.end(), [](const CategoryScore& score) { return score.truths[0] > 0; }))
      core::log_warning("{}: none of its {} annotations can be matched, so that every figure is null where the official program prints -1",
                        truth.file->name(), static_cast<std::int64_t>(truth.annotations.size()) + truth.unknown);
  };
  add(official);
  say_headline("", {{"AP", out.rows[0].value, ""}, {"AP50", out.rows[1].value, ""}, {"AP75", out.rows[2].value, ""}},
               fmt::format("{}, {}", truth.protocol == Protocol::lvis ? "LVIS" : "COCO", options.type));
  if (options.corrected) {
    Evaluation corrected = official;
    corrected.area = official.scored;
    corrected.corrected = true;
    add(corrected);
  } else if (corrections_matter(official, truth)) {
    core::log_info("the official program's faults bear on these figures (see --help): --corrected gives them without");
  }
  core::log_info("peak memory {}", core::bytes_text(core::peak_memory()));
  return out;
}

}  // namespace selfsight::score
