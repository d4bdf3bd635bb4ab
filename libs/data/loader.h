// The loader: threads of one process around a bounded ring of batch buffers. What a batch holds depends on the plan, the
// seed and the epoch alone, never on the number of workers.
#pragma once

#include "core/options.h"
#include "data/clip.h"
#include "data/plan.h"
#include "data/source.h"
#include "data/view.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::data {

/// One view of every sample in a batch.
struct ViewBatch {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< count x height x width x channels; of clips count x frames x height x width x channels
  std::vector<Geometry> geometry;    ///< one a sample: all frames of a clip are cut and changed alike
  std::int64_t frames = 1;           ///< of a clip
  std::vector<std::int64_t> shown;   ///< count x frames: number of each frame in its video; 0 for still images
  // Of a loader that hands over, instead of pixels:
  std::vector<Drawn> drawn;          ///< what each sample's view is to be
  std::vector<std::size_t> picture;  ///< of which of the batch's pictures
  /// Bytes of one sample.
  [[nodiscard]] std::size_t sample_bytes() const { return static_cast<std::size_t>(frames * height * width * channels); }
};

struct Batch {
  std::int64_t epoch = 0, index = 0;  ///< index of the batch in its epoch
  std::vector<std::int64_t> samples;  ///< index in the source
  std::vector<std::int64_t> mates;    ///< -1 without one
  std::vector<std::int64_t> labels;   ///< -1 without one
  std::vector<std::int32_t> sources;
  std::vector<ViewBatch> views;
  std::vector<Stored> pictures;  ///< of a loader that hands over: what the views show
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(samples.size()); }
};

/// One view that every batch carries.
struct ViewSpec {
  Recipe recipe;
  bool of_mate = false;  ///< made from Draw::mate instead of Draw::sample
  ClipRecipe clip;       ///< of videos; "spaced" takes the clip Draw::repeat (modulo its clips)
};

struct LoaderOptions {
  std::int64_t workers = 0;     ///< 0: one per processor
  std::int64_t prefetch = 4;    ///< batches in the ring
  std::string on_bad = "fail";  ///< "fail", "skip" (the place repeats the batch's next good sample), "replace" (another sample of the set)
  double max_bad = 0.001;       ///< share of bad items that is still accepted
  void describe(core::Options& options);
};

/// An item that could not be used, with the reason.
struct BadItem {
  std::int64_t sample;
  std::int32_t source;
  std::string name, reason;
};

struct LoaderTimes {
  double wait = 0;                           ///< seconds the consumer waited
  double read = 0, decode = 0, augment = 0;  ///< seconds summed over workers
  std::int64_t images = 0, views = 0;
  /// What passed since `before`.
  [[nodiscard]] LoaderTimes since(const LoaderTimes& before) const;
};

/// What a batch has become when some of its pictures cannot be used.
struct Repaired {
  std::shared_ptr<const Batch> batch;                           ///< without pictures
  std::vector<std::pair<std::int64_t, std::int64_t>> repeated;  ///< a bad place, and the good one that it repeats
};

class Loader {
 public:
  /// Whether the views of a picture are made elsewhere from its encoded form; those of others are from decoded pixels.
  using HandsOver = std::function<bool(const Stored& encoded)>;

  /// With `hands_over` the loader makes no views: its batches carry pictures and what is to be made of them. Error: bad_data for clips of
  /// still images; usage for videos that are to be handed over.
  Loader(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed, const LoaderOptions& options,
         HandsOver hands_over = nullptr);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Starts an epoch from batch `first` of its plan; ends whatever was under way.
  void start(EpochPlan plan, std::int64_t epoch, std::int64_t first = 0);
  /// The next batch in order, or null at the end of the epoch. It stays valid as long as it is held; its buffers return to the
  /// ring after that. Error: bad_data when an item is bad and the policy says fail or the share is passed.
  std::shared_ptr<const Batch> next();
  /// Whether next() would return without waiting.
  [[nodiscard]] bool ready() const;
  /// Of a loader that hands over, when pictures of a batch that next() gave prove unusable, by number and reason: counts them as it counts
  /// others. A place that shows one repeats the next good one of its batch, if the policy is "skip" or "replace". Error: as next().
  Repaired without(const std::shared_ptr<const Batch>& batch, const std::vector<std::pair<std::size_t, std::string>>& unusable);
  /// Every bad item seen so far, in order of sample.
  [[nodiscard]] std::vector<BadItem> bad_items() const;
  /// Those that an earlier part of a resumed run saw: they count, and are listed.
  void add_bad_items(const std::vector<BadItem>& items);
  [[nodiscard]] LoaderTimes times() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace selfsight::data
