// What a pre-training method is. A method is one header/source pair in libs/methods that derives from Method, registers itself by name and
// says everything about itself: options, views, networks, step, hooks. The trainer knows nothing about any method.
//
// Everything that must survive a restart is a parameter, buffer or submodule registered with the module (queues, banks, centres,
// prototypes, EMA networks, mates tables): the checkpoint saves and restores it without code of the method's own. Random numbers inside a
// step come from torch's generator, which the trainer seeds from (seed, step), so they need no saving either.
//
// Of a run of several processes a step sees a rank's rows of the batch and gives their loss (dist/ranks.h has the convention). Batch
// normalisation, queues and gradients are of the whole batch by themselves; a method that compares rows with those of others gathers them
// (ranks()), draws random numbers of rows for the whole batch (Ranks::own_rows), and leaves the same state on all ranks.
#pragma once

#include "core/options.h"
#include "core/registry.h"
#include "data/loader.h"
#include "dist/ranks.h"
#include "libtorch.h"
#include "nn/backbone.h"
#include "train/embed.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::train {

/// What is known when the networks are built.
struct Setup {
  nn::BackboneOptions backbone;  ///< as the user chose it, channels and image size filled in from the data
  std::int64_t samples = 0;      ///< in the training split
  std::int64_t classes = 0;      ///< 0 without labels
  std::int64_t batch = 0;        ///< of all ranks
  std::int64_t steps_per_epoch = 0, epochs = 0;
  std::uint64_t seed = 0;
  manifest::Split split;        ///< that the samples are of, for tables that were made of it beforehand
  bool planned = false;         ///< the batches are those of a plan (--plan), not shuffled
  Normalisation normalisation;  ///< of the views
  torch::Device device = torch::kCPU;
  dist::Ranks ranks;
};

/// One batch on the device, or a rank's part of it.
struct Views {
  std::vector<torch::Tensor> x;        ///< one N x C x H x W tensor for each ViewSpec of the method, in its order
  torch::Tensor samples, labels;       ///< N int64 on the device; labels -1 where absent
  const data::Batch* batch = nullptr;  ///< geometry, mates and sources of the same samples
};

/// What a step gives back.
struct Outcome {
  torch::Tensor loss;       ///< scalar with gradient
  torch::Tensor embedding;  ///< N x D whose spread tells a collapse (detached by the trainer); may be undefined
  double uniform_loss = 0;  ///< the loss of a network that says the same of everything (ln K); 0 when there is none
  /// Further curves for the log, of one value each and on any device. They stay tensors because reading one waits for the device, and only
  /// those of the steps that are logged are read. NaN: there is none this time.
  std::map<std::string, torch::Tensor> scalars;
};

/// What a hook before an epoch can ask for.
struct EpochContext {
  Progress progress;
  /// Features of the whole training split by `network` in eval mode (evaluation view, the loader's full speed); shown as its own stage.
  /// Each rank computes its share, and all get the whole.
  std::function<Embedded(nn::Backbone& network, const std::string& layer, const std::string& stage)> embed_all;
  /// Does other work of the hook (clustering, a search for neighbours) as a stage of its own in the record and the report.
  std::function<void(const std::string& stage, const std::function<void()>& work)> timed;
};

/// The specs of some recipes; a size of 0 becomes `image`. Error: usage when that is 0 too (images of different sizes).
std::vector<data::ViewSpec> view_specs(std::vector<data::Recipe> recipes, std::int64_t image);

class Method : public torch::nn::Module, public dist::RankAware {
 public:
  ~Method() override = default;
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }

  /// The method's own options. Those of backbone, optimizer, schedule and loader are the trainer's.
  virtual void describe(core::Options& options) = 0;
  /// The views every batch carries, from the options. `image`: side of the data set's images when they all agree, else 0.
  [[nodiscard]] virtual std::vector<data::ViewSpec> views(std::int64_t image) const = 0;
  /// Makes the networks (register_module / register_buffer). Errors: usage for options that do not fit the data or each other.
  virtual void build(const Setup& setup) = 0;
  /// Forward pass and loss of one batch.
  virtual Outcome step(const Views& views, const Progress& progress) = 0;
  /// Whether step() is the same work of the device every time, and nothing else: it asks neither the progress nor any other thing of the
  /// host's, waits for nothing, draws no numbers, and leaves nothing behind but in its tensors. On a GPU it is then recorded once.
  [[nodiscard]] virtual bool repeats_itself() const { return false; }

  // Hooks, in the order in which the trainer calls them.

  /// Before the first batch of an epoch (never in its middle, also after a resume): refresh tables, banks, clusters.
  virtual void before_epoch(const EpochContext&) {}
  /// The batches of an epoch, from those that the trainer proposes (shuffled, or those of --plan): gives their samples mates, or makes
  /// others. A pure function of its arguments and of the method's saved state.
  [[nodiscard]] virtual data::EpochPlan plan(data::EpochPlan proposed, std::uint64_t seed, std::int64_t epoch) const {
    (void)seed, (void)epoch;
    return proposed;
  }
  /// After the backward pass, before clipping and update: cancel or clip single gradients. That the update is skipped is not known yet.
  virtual void after_backward(const Progress&) {}
  /// After the optimizer's update: EMA networks, renormalised prototypes.
  virtual void after_update(const Progress&) {}

  /// Instead of it, when an update is skipped because its loss or gradient is not finite: forget what its batches set aside.
  virtual void after_skip(const Progress&) {}

  /// What the optimizer trains. Default: all trainable parameters, 1-D ones without decay when the options say so.
  [[nodiscard]] virtual std::vector<ParameterGroup> parameter_groups(const OptimizerOptions& options) {
    return default_groups(*this, options.exclude_1d);
  }
  /// The network that the run is for: exported, and judged by the online kNN (DINO: the teacher's).
  [[nodiscard]] virtual std::shared_ptr<nn::Backbone> backbone() = 0;
  /// Further networks to export with it, by name ("projector"), for methods that build on this run.
  [[nodiscard]] virtual std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() { return {}; }

 protected:
  /// Known once the networks are built (and from Setup while they are).
  [[nodiscard]] const dist::Ranks& ranks() const { return ranks_; }

 private:
  dist::Ranks ranks_;
};

/// Everything the tools show and need of a method before there is an object of it.
struct MethodEntry {
  std::string title;    ///< "SimCLR"
  std::string paper;    ///< authors, venue, arXiv number
  std::string summary;  ///< what it does, one line
  std::string needs;    ///< "two views", "a teacher model (--teacher)"
  std::string cost;     ///< of a step next to SimCLR's, as tests/bench/run measures it: "1.0 x the time, 1.1 x the memory"
  /// Values of options by name: "published" is the paper's configuration (always applied first), others come on top of it by --profile.
  std::map<std::string, nlohmann::json> profiles;
  std::function<std::shared_ptr<Method>()> make;
};
using MethodRegistry = core::Registry<MethodEntry>;

/// A modifier wraps a host method (`--with NAME`): it sees and may change everything that goes in and out of it. Overrides what it needs
/// and forwards the rest.
class Modifier : public Method {
 public:
  explicit Modifier(std::shared_ptr<Method> host) : host_(register_module("host", std::move(host))) {}

  void describe(core::Options& options) override { host_->describe(options); }
  [[nodiscard]] std::vector<data::ViewSpec> views(std::int64_t image) const override { return host_->views(image); }
  void build(const Setup& setup) override { host_->build(setup); }
  Outcome step(const Views& views, const Progress& progress) override { return host_->step(views, progress); }
  void before_epoch(const EpochContext& context) override { host_->before_epoch(context); }
  [[nodiscard]] data::EpochPlan plan(data::EpochPlan proposed, std::uint64_t seed, std::int64_t epoch) const override {
    return host_->plan(std::move(proposed), seed, epoch);
  }
  void after_backward(const Progress& progress) override { host_->after_backward(progress); }
  void after_update(const Progress& progress) override { host_->after_update(progress); }
  void after_skip(const Progress& progress) override { host_->after_skip(progress); }
  /// The host's own groups, and the default ones for what the modifier adds.
  [[nodiscard]] std::vector<ParameterGroup> parameter_groups(const OptimizerOptions& options) override;
  [[nodiscard]] std::shared_ptr<nn::Backbone> backbone() override { return host_->backbone(); }
  [[nodiscard]] std::map<std::string, std::shared_ptr<torch::nn::Module>> heads() override { return host_->heads(); }

 protected:
  std::shared_ptr<Method> host_;
};

struct ModifierEntry {
  std::string title, paper, summary, needs;
  std::string cost;  ///< as MethodEntry's, around SimCLR
  std::function<std::shared_ptr<Method>(std::shared_ptr<Method> host)> make;
};
using ModifierRegistry = core::Registry<ModifierEntry>;

/// A method whose step is "encode two views, compare them": modifiers can come between the two halves.
class PairMethod : public Method {
 public:
  struct Pair {
    torch::Tensor query, key;     ///< N x D each, as the heads give them: compare() does whatever normalising is left
    torch::Tensor opposite = {};  ///< N x D: the other view made as the query was, where that is not the key (a predictor, say)
    /// What lies over against the query in its own space: `opposite`, or the key.
    [[nodiscard]] const torch::Tensor& counterpart() const { return opposite.defined() ? opposite : key; }
    /// With further queries for the same keys, row by row.
    [[nodiscard]] Pair with_queries(const torch::Tensor& more) const { return {torch::cat({query, more}), torch::cat({key, key})}; }
  };
  /// Embeddings of views `a` and `b`. What is not to get a gradient is detached already.
  virtual Pair encode(const torch::Tensor& a, const torch::Tensor& b, const Progress& progress) = 0;
  /// D of both; known once the networks are built.
  [[nodiscard]] virtual std::int64_t embedding_dim() const = 0;
  /// Whether compare() makes the whole loss, so that a modifier can bring other pairs.
  [[nodiscard]] virtual bool compares_any_pair() const { return true; }
  /// The loss of queries and keys, which may be more rows than the batch has.
  virtual Outcome compare(const Pair& pair, const Progress& progress) = 0;
  Outcome step(const Views& views, const Progress& progress) override {
    return compare(encode(views.x.at(0), views.x.at(1), progress), progress);
  }
};

}  // namespace selfsight::train
