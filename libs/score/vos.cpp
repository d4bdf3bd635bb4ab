#include "score/vos.h"

#include "core/error.h"
#include "core/threads.h"
#include "metrics/assignment.h"
#include "metrics/clusters.h"
#include "metrics/region_boundary.h"
#include "metrics/statistics.h"
#include "score/mask_files.h"
#include "score/vos_files.h"
#include "score/vos_rows.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <numeric>

namespace selfsight::score {

namespace {

using core::Exit;
using core::fail;

constexpr std::uint16_t void_label = 255;

/// What is kept of a frame. Semi-supervised: one value an object. Unsupervised: one row of values a proposal that the frame holds, and one
/// row more for a proposal that it does not hold.
struct FrameScore {
  std::int64_t proposals = 0;
  std::vector<double> j, f;
  std::optional<double> ari, iou;
};

struct Frame {
  std::size_t sequence;
  const MaskPair* pair;
};

class Scorer {
 public:
  Scorer(const VosOptions& options, const VosFiles& files, int threads) : options_(options), files_(files), threads_(threads) {}

  VosScore run() {
    count_objects();
    for (std::size_t s = 0; s < files_.sequences.size(); ++s) {
      const auto& frames = files_.sequences[s].frames;
      const std::size_t skip = options_.unsupervised() ? 0 : 1;
      for (std::size_t k = skip; k + skip < frames.size(); ++k) frames_.push_back({s, &frames[k]});
    }
    scores_.resize(frames_.size());
    tables_.resize(files_.sequences.size());
    core::parallel_for(static_cast<std::int64_t>(frames_.size()), 1, threads_, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = begin; k < end; ++k) score_frame(static_cast<std::size_t>(k));
    });
    VosScore out{.sequences = {}, .frames = {}, .annotations = files_.annotations};
    for (std::size_t s = 0, begin = 0; s < files_.sequences.size(); ++s) {
      std::size_t end = begin;
      while (end < frames_.size() && frames_[end].sequence == s) out.frames.push_back(*frames_[end++].pair);
      out.sequences.push_back(sequence_score(s, {scores_.data() + begin, end - begin}));
      begin = end;
    }
    return out;
  }

 private:
  /// The highest index of each first frame.
  void count_objects() {
    objects_.resize(files_.sequences.size());
    core::parallel_for(static_cast<std::int64_t>(objects_.size()), 1, threads_, [&](std::int64_t begin, std::int64_t end) {
      data::Labels truth, none;
      for (auto s = static_cast<std::size_t>(begin); s < static_cast<std::size_t>(end); ++s) {
        const fs::path& first = files_.sequences[s].frames.front().truth;
        data::read_labels(first, truth);
        prepare(first, truth, none);
        objects_[s] = std::max<std::int64_t>(metrics::label_count(truth.values) - 1, 0);
      }
    });
    if (std::all_of(objects_.begin(), objects_.end(), [](std::int64_t n) { return n == 0; }))
      fail(Exit::bad_data,
           "{}: no first frame has an object (index 1 to 254); for masks of a single object, such as DAVIS-2016's 0 and 255, "
           "use --single-object",
           files_.annotations.string());
  }

  /// Maps both images to what counts. `prediction` may be empty.
  void prepare(const fs::path& file, data::Labels& truth, data::Labels& prediction) const {
    if (options_.single_object) {
      for (data::Labels* image : {&truth, &prediction})
        for (std::uint16_t& label : image->values) label = label > 0 ? 1 : 0;
      return;
    }
    if (metrics::label_count(truth.values) > void_label + 1)
      fail(Exit::bad_data, "{}: an index above 255 (objects are 1 to 254, 255 is {})", file.string(),
           options_.unsupervised() ? "void" : "background");
    if (options_.unsupervised() && !prediction.values.empty())
      for (std::size_t i = 0; i < truth.values.size(); ++i) prediction.values[i] = truth.values[i] == void_label ? 0 : prediction.values[i];
    for (std::uint16_t& label : truth.values) label = label == void_label ? 0 : label;
  }

  void score_frame(std::size_t k) {
    thread_local data::Labels truth, prediction;
    const Frame& frame = frames_[k];
    const std::int64_t objects = objects_[frame.sequence];
    read_pair(*frame.pair, truth, prediction);
    std::int64_t proposals = std::max<std::int64_t>(metrics::label_count(prediction.values) - 1, 0);
    if (options_.single_object) proposals = std::min<std::int64_t>(proposals, 1);
    if (options_.unsupervised() && proposals > options_.max_proposals)
      fail(Exit::bad_data, "{}: index {}, but at most {} proposals are allowed (--max-proposals)", frame.pair->prediction.string(),
           proposals, options_.max_proposals);
    if (!options_.unsupervised() && proposals > std::max<std::int64_t>(objects, options_.single_object ? 1 : 0))
      fail(Exit::bad_data, "{}: index {}, but the sequence {} has {} objects in its first frame", frame.pair->prediction.string(),
           proposals, files_.sequences[frame.sequence].name, objects);
    prepare(frame.pair->truth, truth, prediction);
    FrameScore& out = scores_[k];
    out.proposals = proposals;
    const std::int64_t compared = options_.unsupervised() ? proposals + 1 : objects;
    const metrics::FrameComparison comparison(view_of(truth), view_of(prediction), objects, compared);
    const auto add = [&](std::int64_t object, std::int64_t proposal) {
      out.j.push_back(comparison.j(object, proposal));
      out.f.push_back(comparison.f(object, proposal));
    };
    for (std::int64_t p = 1; p <= compared; ++p) {
      if (!options_.unsupervised()) add(p, p);
      for (std::int64_t o = 1; options_.unsupervised() && o <= objects; ++o) add(o, p);
    }
    if (!options_.unsupervised()) return;
    out.ari = metrics::foreground_ari(comparison.table());
    out.iou = metrics::matched_iou(comparison.table()).mean();
    const std::lock_guard lock(mutex_);  // whole numbers: the sum does not depend on who comes first
    tables_[frame.sequence] += comparison.table();
  }

  /// Values of an object and a proposal (from 1) over the frames.
  std::vector<double> values(std::span<const FrameScore> frames, std::vector<double> FrameScore::*measure, std::int64_t objects,
                             std::int64_t object, std::int64_t proposal) const {
    std::vector<double> out;
    for (const FrameScore& frame : frames) {
      const std::int64_t row = options_.unsupervised() ? std::min(proposal - 1, frame.proposals) : 0;
      out.push_back((frame.*measure)[static_cast<std::size_t>(row * objects + object - 1)]);
    }
    return out;
  }

  /// Which proposal stands for which object, in the official order.
  std::vector<metrics::Match> matches(std::span<const FrameScore> frames, std::int64_t objects) const {
    std::vector<metrics::Match> out;
    if (!options_.unsupervised()) {
      for (std::int64_t o = 0; o < objects; ++o) out.push_back({.row = o, .column = o});
      return out;
    }
    std::int64_t proposals = objects;
    for (const FrameScore& frame : frames) proposals = std::max(proposals, frame.proposals);
    std::vector<double> costs;
    for (std::int64_t p = 1; p <= proposals; ++p)
      for (std::int64_t o = 1; o <= objects; ++o)
        costs.push_back(
            -(metrics::mean(values(frames, &FrameScore::j, objects, o, p)) + metrics::mean(values(frames, &FrameScore::f, objects, o, p))) /
            2);
    return metrics::assign(costs, proposals, objects);
  }

  SequenceScore sequence_score(std::size_t s, std::span<const FrameScore> frames) const {
    const std::int64_t objects = objects_[s];
    SequenceScore out{
        .name = files_.sequences[s].name, .objects = {}, .frames = {}, .ari = {}, .iou = {}, .frame_ari = {}, .frame_iou = {}};
    out.frames.assign(frames.size(), objects > 0 ? 0 : std::numeric_limits<double>::quiet_NaN());
    for (const metrics::Match& match : matches(frames, objects)) {
      const std::vector<double> j = values(frames, &FrameScore::j, objects, match.column + 1, match.row + 1);
      const std::vector<double> f = values(frames, &FrameScore::f, objects, match.column + 1, match.row + 1);
      out.objects.push_back({.object = match.column + 1,
                             .proposal = match.row + 1,
                             .j = metrics::sequence_statistics(j),
                             .f = metrics::sequence_statistics(f)});
      for (std::size_t k = 0; k < frames.size(); ++k) out.frames[k] += (j[k] + f[k]) / 2 / static_cast<double>(objects);
    }
    if (!options_.unsupervised()) return out;
    out.ari = metrics::foreground_ari(tables_[s]);
    out.iou = metrics::matched_iou(tables_[s]).mean();
    const auto mean_of = [&](std::optional<double> FrameScore::*field) -> std::optional<double> {
      std::vector<double> found;
      for (const FrameScore& frame : frames)
        if (frame.*field) found.push_back(*(frame.*field));
      return found.empty() ? std::nullopt : std::optional(metrics::mean(found));
    };
    out.frame_ari = mean_of(&FrameScore::ari);
    out.frame_iou = mean_of(&FrameScore::iou);
    return out;
  }

  const VosOptions& options_;
  const VosFiles& files_;
  int threads_;
  std::vector<std::int64_t> objects_;  ///< by sequence
  std::vector<Frame> frames_;
  std::vector<FrameScore> scores_;            ///< by frame
  std::vector<metrics::Contingency> tables_;  ///< by sequence
  std::mutex mutex_;
};

}  // namespace

void VosOptions::describe(core::Options& options) {
  options.group("Truth");
  options.add("truth", &truth, "folder in the layout of DAVIS (Annotations/480p/SEQUENCE/FRAME.png), or a folder of SEQUENCE/FRAME.png")
      .metavar("DIR");
  options
      .add("annotations", &annotations,
           "folder of annotations in it; default: Annotations, or Annotations_unsupervised for the unsupervised task")
      .metavar("NAME");
  options.add("resolution", &resolution, "folder below it; default: 480p where there is one").metavar("NAME");
  options.add("set", &set, "score the sequences of this list: a name in ImageSets, such as val, or a file; default: all that are annotated")
      .metavar("NAME|FILE");
  options.add("sequences", &sequences, "score these sequences").metavar("NAME,...").distinct();
  options.group("Protocol");
  options
      .add("task", &task,
           "semi-supervised: index k is object k, first and last frame left out, 255 is background; unsupervised: "
           "proposals are matched to objects over the sequence, all frames count, 255 is void")
      .choices({"semi-supervised", "unsupervised"});
  options.add("single-object", &single_object, "DAVIS-2016: every index above 0, 255 too, is the one foreground");
  options.add("max-proposals", &max_proposals, "most proposals").range(1, 65535).only_with("task", {"unsupervised"});
  options.add("overlays", &overlays, "worst, middle and best frames to name in the manifest, for the report").range(0, 1000);
  options.group("");
}

manifest::Metrics score_vos(const VosOptions& options, const std::string& predictions, int threads) {
  if (options.truth.empty()) fail(Exit::usage, "say with --truth DIR where the annotations are");
  manifest::Metrics metrics;
  const fs::path folder = predictions_folder(predictions, vos_task, metrics);
  const VosFiles files = vos_files(options, folder);
  add_vos_rows(options, Scorer(options, files, threads).run(), folder.filename().string(), metrics);
  return metrics;
}

}  // namespace selfsight::score
