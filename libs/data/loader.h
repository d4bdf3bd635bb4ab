// The loader: threads of one process around a bounded ring of batch buffers. What a batch holds depends on the plan, the
// seed and the epoch alone, never on the number of workers.
#pragma once

#include "core/options.h"
#include "data/plan.h"
#include "data/source.h"
#include "data/view.h"

#include <memory>
#include <string>
#include <vector>

namespace selfsight::data {

/// One view of every sample in a batch.
struct ViewBatch {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  ///< count x height x width x channels
  std::vector<Geometry> geometry;    ///< one a sample
};

struct Batch {
  std::int64_t epoch = 0, index = 0;  ///< index of the batch in its epoch
  std::vector<std::int64_t> samples;  ///< index in the source
  std::vector<std::int64_t> mates;    ///< -1 without one
  std::vector<std::int64_t> labels;   ///< -1 without one
  std::vector<std::int32_t> sources;
  std::vector<ViewBatch> views;
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(samples.size()); }
};

/// One view that every batch carries.
struct ViewSpec {
  Recipe recipe;
  bool of_mate = false;  ///< made from Draw::mate instead of Draw::sample
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

class Loader {
 public:
  Loader(std::vector<std::shared_ptr<const Source>> sources, std::vector<ViewSpec> views, std::uint64_t seed, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Starts an epoch from batch `first` of its plan; ends whatever was under way.
  void start(EpochPlan plan, std::int64_t epoch, std::int64_t first = 0);
  /// The next batch in order, or null at the end of the epoch. It stays valid as long as it is held; its buffers return to the
  /// ring after that. Error: bad_data when an item is bad and the policy says fail or the share is passed.
  std::shared_ptr<const Batch> next();
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
