// The one loop: pre-trains any registered method, with checkpoints, exact resume and guards. It knows no method.
#pragma once

#include "core/options.h"
#include "data/loader.h"
#include "dist/ranks.h"
#include "manifest/manifest.h"
#include "train/method.h"
#include "train/optimizer.h"

#include <string>

namespace selfsight::train {

struct TrainOptions {
  // Budget
  std::int64_t epochs = 200;
  std::int64_t max_steps = 0;   ///< 0: all epochs
  std::int64_t batch = 256;     ///< images, of all ranks together
  std::int64_t accumulate = 1;  ///< batches per update
  std::uint64_t seed = 0;
  std::string split = "train";
  std::int64_t shuffle_window = 0;  ///< shards that are shuffled together; 0: the whole split
  std::string plan;                 ///< file of a plan manifest whose batches take the place of shuffled ones; empty: none
  std::int64_t images = 0;          ///< use this many images of the split (seeded, stratified by nothing); 0: all
  // Schedule
  double lr = 0.03;                    ///< at `lr_batch` images an update; scaled linearly
  std::int64_t lr_batch = 256;         ///< 0: no scaling
  std::string schedule = "cosine";     ///< after the warm-up: to min_lr by a "cosine", or by "steps"
  std::vector<std::int64_t> lr_steps;  ///< "steps": epochs from which on the rate is lr_gamma times what it was; none: constant
  double lr_gamma = 0.1;
  double min_lr = 0.0;
  double warmup_epochs = 0.0;
  double warmup_lr = 0.0;  ///< at the start of the warm-up
  double weight_decay = 1e-4;
  double weight_decay_end = -1;    ///< cosine from weight_decay to this; negative: constant
  double clip = 0.0;               ///< global gradient norm; 0: off
  std::string precision = "fp32";  ///< fp32, bf16, fp16 (autocast)
  std::string augment = "host";    ///< where views are made: "host", or "device"
  // Running
  std::string device = "cpu";
  bool record_step = true;   ///< on a GPU, where the method allows it
  std::int64_t threads = 0;  ///< of LibTorch; 0: all processors
  std::int64_t log_every = 20;
  std::int64_t knn_every = 1;  ///< epochs; 0: off
  std::int64_t knn_k = 20, knn_bank = 10000, knn_queries = 2000;
  double knn_temperature = 0.07;
  double checkpoint_minutes = 10;      ///< 0: at epoch ends only
  std::int64_t checkpoint_epochs = 0;  ///< also every so many epochs; 0: off
  std::int64_t checkpoint_steps = 0;   ///< also every so many steps; 0: off
  std::int64_t keep = 2;               ///< newest checkpoints kept
  std::int64_t keep_every = 0;         ///< epochs between checkpoints that are kept for good; 0: none
  bool keep_best = false;              ///< keep the one with the best online kNN
  double time_limit = 0;               ///< minutes, as Deadline takes them; then a checkpoint is written and the run ends with 75

  void describe(core::Options& options);
  /// Error: usage for values that do not fit one another.
  void check() const;
  /// Where the schedule stands, for a rate of `peak` after the warm-up.
  [[nodiscard]] double learning_rate(double peak, const Progress& progress) const;
};

/// Everything of one run that its main composes.
struct Run {
  std::string method;               ///< with modifiers: "hallucinator(simclr)"
  std::shared_ptr<Method> network;  ///< options set, not built
  nn::BackboneOptions backbone;
  TrainOptions train;
  OptimizerOptions optimizer;
  data::LoaderOptions loader;
  manifest::Dataset dataset;
  nlohmann::json config;                ///< resolved options, all of them
  nlohmann::json identity;              ///< those that change the result
  std::vector<nlohmann::json> inputs;   ///< entries of the manifests that options name (a teacher, a plan), for the model's
  std::vector<std::string> may_change;  ///< "--workers" ...: options that do not, so that they may differ when the run goes on
  std::filesystem::path folder;         ///< the run's own folder, absolute; of several ranks the first one's alone
  dist::Ranks ranks;                    ///< that train together, each on its part of every batch
  bool provenance = true;               ///< seconds and timings in the manifest
  std::int64_t stop_after_step = 0;     ///< > 0: stop with a checkpoint after this update, as a signal would

  /// Options of all the components, in the order of the help.
  void describe(core::Options& options);
};

/// Makes the named method inside its modifiers (innermost first) and sets Run::method and Run::network. Error: usage for unknown names.
void choose_method(Run& run, const std::string& name, const std::vector<std::string>& modifiers);
/// The "published" profile of a method with `chosen` on top, as {"option": value}. Error: usage for a profile that it does not have.
nlohmann::json profile_values(const MethodEntry& entry, const std::string& chosen);
/// Sets Run::identity, what makes two runs the same run (options that change the result, method, content of the data set and of the
/// manifests that options name), Run::inputs and Run::may_change.
void identify(Run& run, const core::Options& options);

/// Trains, or goes on from the newest checkpoint in the folder, or returns the finished run's manifest at once. With more epochs than
/// before it goes on too, by the schedule of the new length; the manifest then tells of both.
/// The folder then holds model.json's payload: weights.safetensors, metrics.jsonl (the same bytes for the same run), timings.jsonl,
/// views.png. Errors: usage (folder of another configuration, batch larger than the split), bad_data, io; interrupted after a stop signal's
/// checkpoint.
manifest::Model pretrain(Run& run);

}  // namespace selfsight::train
