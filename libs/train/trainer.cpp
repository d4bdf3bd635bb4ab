#include "train/trainer.h"

#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "dist/gradients.h"
#include "nn/batch_norm.h"
#include "nn/norm_statistics.h"
#include "nn/state.h"
#include "nn/to_device.h"
#include "train/bad_items.h"
#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/deadline.h"
#include "train/faults.h"
#include "train/feed.h"
#include "train/finished.h"
#include "train/from_first.h"
#include "train/journal.h"
#include "train/loading_meter.h"
#include "train/monitor.h"
#include "train/passes.h"
#include "train/run_folder.h"
#include "train/training_set.h"
#include "train/views_picture.h"

#include <cmath>
#include <csignal>

namespace selfsight::train {

namespace fs = core::fs;
using nlohmann::json;

namespace {

/// What all ranks know of an update before they decide what comes of it.
struct Agreed {
  double loss = 0;              ///< mean over ranks
  bool stop = false;            ///< one of them was asked to
  bool late = false;            ///< the deadline has passed
  bool checkpoint_due = false;  ///< by the clock of the first rank
  bool worth_keeping = false;   ///< beyond the newest checkpoints, in the first rank's folder
};

/// One run under way. The order of the members is the order in which a run comes to life.
class Trainer {
 public:
  explicit Trainer(Run& run);
  manifest::Model train();

 private:
  void restore(const std::optional<CheckpointState>& state);
  /// Of what is drawn from here on; another one after the run had to go back.
  [[nodiscard]] std::uint64_t seed() const { return faults_.seed(options_.seed); }
  /// LibTorch's random numbers depend on these alone: a resumed run draws the same ones, and so do all ranks.
  template <class... Index>
  void seed_torch(core::Stream stream, Index... index) const {
    torch::manual_seed(core::Rng(seed(), stream, static_cast<std::uint64_t>(index)...).bits64() >> 1);
  }
  /// The step at which an epoch ends, or the run in its middle.
  [[nodiscard]] std::int64_t end_of(std::int64_t epoch) const {
    return std::min(progress_.total_steps, (epoch + 1) * progress_.steps_per_epoch);
  }
  void epoch(std::int64_t number);
  /// False when the run went back to a checkpoint instead of on.
  bool update(std::int64_t number);
  Outcome forward_backward(const Fed& fed, bool last);
  [[nodiscard]] torch::Tensor gradient_norm() const;
  [[nodiscard]] torch::Tensor unusable(const torch::Tensor& numbers) const;
  bool roll_back_or_fail();
  [[nodiscard]] Agreed agree(double loss, bool worth_keeping = false) const;
  [[nodiscard]] EmbedOptions embed_options() const;
  void log_step(const Outcome& outcome, double loss, double lr);
  void finish_epoch(std::int64_t number);
  void checkpoint();
  void stop_if_agreed();
  void same_buffers();

  Run& run_;
  const TrainOptions& options_;
  const dist::Ranks& ranks_;
  fs::path folder_;
  torch::Device device_;
  TrainingSet set_;
  Method& method_;
  Progress progress_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<dist::GradientReducer> reducer_;
  std::unique_ptr<Passes> passes_;
  std::unique_ptr<nn::NormStatistics> statistics_;
  std::unique_ptr<Feed> feed_;
  std::optional<Batches> batches_;
  Checkpoints checkpoints_;
  Deadline deadline_;
  Journal journal_;
  Faults faults_;
  CollapseMonitor collapse_;
  std::unique_ptr<OnlineKnn> knn_;
  Agreed agreed_;
  std::vector<data::BadItem> bad_;  ///< as of the last checkpoint
  double peak_lr_ = 0, epoch_loss_ = 0;
  std::int64_t epoch_steps_ = 0, images_ = 0;
  json lengths_ = json::array();    ///< as Course has them
  std::optional<double> knn_here_;  ///< of the weights as they are
  double saved_ = core::monotonic_seconds();
  LoadingMeter since_log_, since_epoch_;
};

Trainer::Trainer(Run& run)
    : run_(run),
      options_(run.train),
      ranks_(run.ranks),
      folder_(run.folder),
      device_(open_device(run.train.device)),
      set_(run.dataset, run.train.split, run.train.images, run.train.seed),
      method_(*run.network),
      checkpoints_(run.folder / "checkpoints", {run.train.keep, run.train.keep_every, run.train.keep_best}),
      deadline_(run.train.time_limit),
      journal_(run.folder, /*muted=*/!run.ranks.first()),
      faults_(/*scaled=*/run.train.precision == "fp16") {
  const std::int64_t per_update = options_.batch * options_.accumulate;
  if (set_.samples() < per_update)
    core::fail(core::Exit::usage, "--batch {}{}: the split '{}' has only {} images{}; give a smaller --batch", options_.batch,
               options_.accumulate > 1 ? fmt::format(" x {}", options_.accumulate) : "", options_.split, set_.samples(),
               options_.images > 0 ? fmt::format(" with --images {}", options_.images) : "");
  if (options_.batch % ranks_.size() != 0)
    core::fail(core::Exit::usage, "--batch {}: {} ranks cannot share it evenly; give a multiple of {}", options_.batch, ranks_.size(),
               ranks_.size());
  prepare_cpu(options_.threads);
  at::globalContext().setBenchmarkCuDNN(true);  // the shapes of a run stay: the fastest kernels for them are worth a search

  progress_.steps_per_epoch = set_.samples() / options_.batch / options_.accumulate;
  progress_.total_steps = progress_.steps_per_epoch * options_.epochs;
  if (options_.max_steps > 0) progress_.total_steps = std::min(progress_.total_steps, options_.max_steps);
  peak_lr_ = options_.lr * (options_.lr_batch > 0 ? static_cast<double>(per_update) / static_cast<double>(options_.lr_batch) : 1.0);

  const auto views = method_.views(set_.image());
  Setup setup;
  setup.backbone = run.backbone;
  setup.backbone.channels = set_.channels();
  setup.backbone.image = views.at(0).recipe.size;
  setup.samples = set_.samples();
  setup.classes = set_.classes();
  setup.batch = options_.batch;
  setup.steps_per_epoch = progress_.steps_per_epoch;
  setup.epochs = options_.epochs;
  setup.seed = options_.seed;
  setup.device = device_;
  setup.normalisation = set_.normalisation();
  setup.split = set_.split();
  setup.ranks = ranks_;
  options_.check();
  batches_.emplace(options_, set_);
  setup.planned = batches_->planned();
  torch::manual_seed(options_.seed);
  method_.build(setup);
  // Filters in the layout that the pixels have: without this every convolution would reorder them.
  if (set_.channels() > 1)
    for (auto& parameter : method_.parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  method_.to(device_);
  dist::join_all(method_, ranks_);
  statistics_ = std::make_unique<nn::NormStatistics>(method_);
  optimizer_ = std::make_unique<Optimizer>(method_.parameter_groups(run.optimizer), run.optimizer);
  reducer_ = std::make_unique<dist::GradientReducer>(ranks_, dist::trainable(method_));
  const bool plain =
      ranks_.alone() && options_.accumulate == 1 && !faults_.scaled();  // nothing comes between the passes, nothing is added up
  passes_ = std::make_unique<Passes>(
      method_, PassesOptions{.precision = options_.precision, .device = device_, .record = options_.record_step && plain});
  FeedOptions feed{.seed = options_.seed, .loader = run.loader, .normalisation = set_.normalisation(), .channels = set_.channels()};
  feed.device = device_;
  feed.on_device = options_.augment == "device";
  feed_ = std::make_unique<Feed>(set_.source(), views, feed);
  if (options_.knn_every > 0) {
    knn_ = std::make_unique<OnlineKnn>(set_.source(), options_.knn_bank, options_.knn_queries, options_.knn_k, options_.knn_temperature,
                                       options_.seed);
    if (options_.keep_best && !knn_->usable())
      core::log_warning("--keep-best: the split '{}' has no labels for an online kNN, so no checkpoint is the best", options_.split);
  }
}

/// Takes over everything from a checkpoint of the first rank, or starts afresh.
void Trainer::restore(const std::optional<CheckpointState>& of_first) {
  const auto state = share_state(of_first, ranks_);
  if (state) {
    std::map<std::string, torch::Tensor> method, optimizer;
    for (const auto& [name, tensor] : state->tensors) {
      const auto slash = name.find('/');
      (name.substr(0, slash) == "method" ? method : optimizer).emplace(name.substr(slash + 1), tensor);
    }
    nn::load_state(method_, method);
    optimizer_->load(optimizer);
    progress_.step = state->step;
    epoch_loss_ = state->facts.at("epoch_loss").get<double>();
    epoch_steps_ = state->facts.at("epoch_steps").get<std::int64_t>();
    faults_.load(state->facts);
    if (state->facts.contains("first_loss")) collapse_.set_first_loss(state->facts.at("first_loss").get<double>());
    feed_->loader().add_bad_items(bad_items_from(state->facts.value("bad_items", json::array())));
    lengths_ = state->facts.at("lengths");
    knn_here_ = state->knn;
    core::log_info("going on from step {} of {}", progress_.step, progress_.total_steps);
  } else {
    for (const auto& parameter : method_.parameters()) ranks_.broadcast_(parameter.detach());
    same_buffers();
  }
  if (lengths_.empty() || lengths_.back().at("total") != progress_.total_steps) {
    if (!lengths_.empty())
      core::log_warning(
          "the run is now {} steps long instead of {}: from step {} on, learning rate and all schedules are those of the new "
          "length, which is not the same as a run of this length from the start",
          progress_.total_steps, lengths_.back().at("total").get<std::int64_t>(), progress_.step);
    lengths_.push_back({{"step", progress_.step}, {"total", progress_.total_steps}});
  }
  journal_.open(state ? &state->facts : nullptr);
}

/// What the ranks computed each for itself (a start, clusters, mates) may differ by their processors: the first rank's holds.
void Trainer::same_buffers() {
  for (const auto& buffer : method_.buffers()) ranks_.broadcast_(buffer);
}

/// All ranks take part, for what each of them knows; the first one writes.
void Trainer::checkpoint() {
  faults_.note_checkpoint(progress_.step);
  bad_ = of_all_ranks(feed_->loader().bad_items(), ranks_);
  feed_->loader().add_bad_items(bad_);  // so that --max-bad is of all, with a stop in between or without
  if (!ranks_.first()) return;
  CheckpointState state;
  state.step = progress_.step;
  state.suspect = !faults_.clean();
  if (progress_.step % progress_.steps_per_epoch == 0) state.epoch = progress_.step / progress_.steps_per_epoch;
  state.knn = knn_here_;
  for (const auto& [name, tensor] : nn::named_state(method_)) state.tensors.emplace("method/" + name, tensor);
  for (const auto& [name, tensor] : optimizer_->state()) state.tensors.emplace("optimizer/" + name, tensor);
  for (const auto& child : method_.named_modules("", /*include_self=*/false))
    if (child.value() == method_.backbone()) state.network = "method/" + child.key() + ".";
  state.facts = {{"epoch_loss", epoch_loss_}, {"epoch_steps", epoch_steps_}, {"lengths", lengths_}, {"bad_items", to_json(bad_)}};
  if (collapse_.first_loss()) state.facts["first_loss"] = *collapse_.first_loss();
  state.facts.update(faults_.state());
  state.facts.update(journal_.sync());
  checkpoints_.save(state);
  saved_ = core::monotonic_seconds();
}

/// One reduction for all that depends on a rank's own loss, signals or clock.
Agreed Trainer::agree(double loss, bool worth_keeping) const {
  const bool due = options_.checkpoint_minutes > 0 && core::monotonic_seconds() - saved_ > options_.checkpoint_minutes * 60;
  const torch::Tensor all = torch::tensor({loss, core::stop_signal() != 0 ? 1.0 : 0.0, ranks_.first() && deadline_.passed() ? 1.0 : 0.0,
                                           ranks_.first() && due ? 1.0 : 0.0, worth_keeping ? 1.0 : 0.0},
                                          torch::kFloat64);
  ranks_.sum_(all);
  const auto* of = all.const_data_ptr<double>();
  return {.loss = of[0] / ranks_.size(), .stop = of[1] > 0, .late = of[2] > 0, .checkpoint_due = of[3] > 0, .worth_keeping = of[4] > 0};
}

void Trainer::stop_if_agreed() {
  const bool enough = run_.stop_after_step > 0 && progress_.step >= run_.stop_after_step;
  if (!agreed_.stop && !agreed_.late && !enough) return;
  if (core::stop_signal() == 0) core::request_stop(SIGUSR1);
  checkpoint();
  static_cast<void>(ranks_.broadcast("written"));  // nobody says so before the first rank has
  core::fail(core::Exit::interrupted, "stopped by {} at step {} of {}; the same command goes on from there",
             agreed_.late ? deadline_.what() : fmt::format("signal {}", core::stop_signal()), progress_.step, progress_.total_steps);
}

/// Forward and backward of one batch.
Outcome Trainer::forward_backward(const Fed& fed, bool last) {
  Views views;
  views.x = fed.x;
  views.samples = nn::to_device(torch::tensor(fed.batch->samples), device_);
  views.labels = nn::to_device(torch::tensor(fed.batch->labels), device_);
  views.batch = fed.batch.get();
  images_ += fed.batch->size();
  return passes_->run(views, progress_, faults_.scale() / static_cast<double>(options_.accumulate), [&](const torch::Tensor& loss) {
    if (last) reducer_->before_backward(loss);
  });
}

/// Unscales fp16 gradients and looks at them: not finite if one of them is not.
torch::Tensor Trainer::gradient_norm() const {
  std::vector<torch::Tensor> grads;
  for (const auto& parameter : optimizer_->parameters())
    if (parameter.grad().defined()) grads.push_back(parameter.grad());
  if (grads.empty()) return torch::zeros({}, device_);
  if (faults_.scaled()) torch::_foreach_mul_(grads, 1.0 / faults_.scale());
  return torch::stack(torch::_foreach_norm(grads)).sum();
}

/// 1 if one of the numbers is not finite on any rank, else 0; on the device. What Faults says of them once they are read.
torch::Tensor Trainer::unusable(const torch::Tensor& numbers) const {
  const torch::Tensor flag = numbers.isfinite().all().logical_not().to(torch::kFloat32);
  ranks_.sum_(flag);
  return flag.clamp_max_(1);
}

/// Images are read for the kNN and for hooks as they are for the batches.
EmbedOptions Trainer::embed_options() const {
  EmbedOptions options;
  options.workers = run_.loader.workers;
  options.on_bad = run_.loader.on_bad;
  options.max_bad = run_.loader.max_bad;
  options.ranks = ranks_;
  return options;
}

/// After several faults in a row the weights themselves are suspect. True when the run is back at a checkpoint.
bool Trainer::roll_back_or_fail() {
  if (!faults_.must_go_back()) return false;
  std::optional<CheckpointState> clean;
  if (ranks_.first()) clean = checkpoints_.newest_clean();
  faults_.check_return(progress_.step, first_says(clean.has_value(), ranks_), peak_lr_);
  const Faults before = faults_;
  const std::int64_t fault = progress_.step;
  restore(clean);
  core::log_warning("step {}: {} updates in a row were not finite; going back to step {}, and on from there with other batches", fault,
                    Faults::patience(), progress_.step);
  faults_.note_return(fault, before);
  return true;
}

bool Trainer::update(std::int64_t number) {
  passes_->forget_gradients();
  statistics_->keep();
  Outcome outcome;
  std::vector<torch::Tensor> losses;
  for (std::int64_t part = 0; part < options_.accumulate; ++part) {
    seed_torch(core::Stream::step, progress_.step, part);
    const bool last = part + 1 == options_.accumulate;
    const auto fed = feed_->next();
    if (!fed) core::fail(core::Exit::internal, "the plan of epoch {} ended early", number);
    if (progress_.step == 0 && part == 0 && ranks_.first()) write_views(fed->x, set_.normalisation(), folder_ / "views.png");
    outcome = forward_backward(*fed, last);
    // Of an epoch whose batches do not divide among the updates some are left: they are not looked at.
    if (!last || progress_.step + 1 < end_of(number)) feed_->look_ahead();
    losses.push_back(outcome.loss.to(torch::kFloat64));
  }
  losses.push_back(gradient_norm().to(torch::kFloat64));
  const torch::Tensor numbers = torch::stack(losses);
  // All is launched before any of it is read, so that a device never waits for the host.
  const double lr = options_.learning_rate(peak_lr_, progress_);
  const double decay =
      options_.weight_decay_end < 0 ? options_.weight_decay : cosine(options_.weight_decay, options_.weight_decay_end, progress_.share());
  method_.after_backward(progress_);
  if (options_.clip > 0) torch::nn::utils::clip_grad_norm_(optimizer_->parameters(), options_.clip);
  optimizer_->step(lr, peak_lr_, decay, unusable(numbers));
  // The one place at which the trainer reads what a step came to.
  const torch::Tensor on_host = numbers.to(torch::kCPU);
  const auto* read = on_host.const_data_ptr<double>();
  double own_loss = 0;
  for (std::int64_t part = 0; part < options_.accumulate; ++part) own_loss += *read++ / static_cast<double>(options_.accumulate);
  const bool finite_gradient = std::isfinite(*read);
  agreed_ = agree(own_loss);
  const double loss = agreed_.loss;
  if (faults_.usable(progress_.step, loss, finite_gradient)) {
    method_.after_update(progress_);
    nn::average_local_norms(method_, ranks_);
    epoch_loss_ += loss;
    ++epoch_steps_;
  } else {
    statistics_->restore();  // an update that is skipped leaves nothing behind
    method_.after_skip(progress_);
  }
  ++progress_.step;
  knn_here_.reset();
  if (progress_.step % options_.log_every == 0) log_step(outcome, loss, lr);
  journal_.advance(loss);
  return !roll_back_or_fail();
}

void Trainer::log_step(const Outcome& outcome, double loss, double lr) {
  json line = {{"type", "step"}, {"step", progress_.step}, {"epoch", progress_.epochs()}, {"loss", loss}, {"lr", lr}};
  const double spread = outcome.embedding.defined() ? collapse_.spread(ranks_.gather(outcome.embedding)) : 1.0;
  if (outcome.embedding.defined()) line["feature_std"] = spread;
  std::vector<torch::Tensor> own = {torch::zeros({}, torch::kFloat64)};
  for (const auto& [name, value] : outcome.scalars) own.push_back(value.detach().to(torch::kCPU, torch::kFloat64));
  const torch::Tensor means = ranks_.mean(torch::stack(own));
  const auto* mean = means.const_data_ptr<double>();
  for (const auto& [name, ignored] : outcome.scalars)
    if (std::isfinite(*++mean)) line[name] = *mean;
  journal_.metric(line);
  if (const auto warning = collapse_.look(spread, loss, outcome.uniform_loss)) core::log_warning("step {}: {}", progress_.step, *warning);

  const LoadingMeter::Lap lap = since_log_.lap(feed_->loader().times(), feed_->transfer(), images_);
  json timing = {{"type", "step"},
                 {"step", progress_.step},
                 {"epoch", progress_.epochs()},
                 {"images_per_second", lap.images_per_second * ranks_.size()},
                 {"data_wait", lap.waiting}};
  for (const auto& [stage, milliseconds] : lap.stages) timing[stage + "_ms"] = milliseconds;
  journal_.timing(timing);
}

void Trainer::epoch(std::int64_t number) {
  const std::int64_t done = progress_.step - number * progress_.steps_per_epoch;
  if (done == 0) {
    EpochContext context;
    context.progress = progress_;
    context.embed_all = [&](nn::Backbone& network, const std::string& layer, const std::string& stage) {
      EmbedOptions embedding = embed_options();
      embedding.layer = layer;
      embedding.progress = true;
      embedding.title = stage;
      const double begin = core::monotonic_seconds();
      auto embedded =
          embed(network, set_.normalisation(), method_.views(set_.image()).at(0).recipe.size, set_.source(), {}, device_, embedding);
      journal_.stage(stage, number, begin);
      return embedded;
    };
    context.timed = [&](const std::string& stage, const std::function<void()>& work) {
      const double begin = core::monotonic_seconds();
      work();
      journal_.stage(stage, number, begin);
    };
    seed_torch(core::Stream::epoch, number);
    method_.before_epoch(context);
    same_buffers();
  }
  feed_->start(own_part(method_.plan(batches_->of_epoch(seed(), number), seed(), number), ranks_), number, done * options_.accumulate);
  // Rates are of the steps alone: what lies between two epochs is not counted.
  for (LoadingMeter* meter : {&since_log_, &since_epoch_}) meter->lap(feed_->loader().times(), feed_->transfer(), images_);
  method_.train();
  const std::int64_t last = end_of(number);
  while (progress_.step < last) {
    if (!update(number)) return;  // back at a checkpoint: that epoch starts again from there
    const bool due = agreed_.checkpoint_due || (options_.checkpoint_steps > 0 && progress_.step % options_.checkpoint_steps == 0);
    if (progress_.step < last) {
      if (due && faults_.clean()) checkpoint();  // what is suspect is not worth going back to
      stop_if_agreed();
    }
  }
  finish_epoch(number);
}

void Trainer::finish_epoch(std::int64_t number) {
  json line = {{"type", "epoch"}, {"epoch", number + 1}, {"step", progress_.step}};
  if (epoch_steps_ > 0) line["loss"] = epoch_loss_ / static_cast<double>(epoch_steps_);
  if (progress_.step < (number + 1) * progress_.steps_per_epoch) {  // the run ends in its middle; made longer, it goes on with the sums
    line["epoch"] = progress_.epochs();
  } else {
    epoch_loss_ = 0;
    epoch_steps_ = 0;
  }
  const bool last = progress_.step >= progress_.total_steps;
  const LoadingMeter::Lap lap = since_epoch_.lap(feed_->loader().times(), feed_->transfer(), images_);
  std::string costs;
  for (const auto& [stage, milliseconds] : lap.stages) costs += fmt::format("{:.3f} ms to {}, ", milliseconds, stage);
  core::log_info("epoch {}: {:.0f} images/s; an image takes {}waiting for data {:.1f} % of the time", number + 1,
                 lap.images_per_second * ranks_.size(), costs, 100 * lap.waiting);
  if (knn_ && knn_->usable() && ((number + 1) % options_.knn_every == 0 || last)) {
    const double begin = core::monotonic_seconds();
    const auto result =
        knn_->evaluate(*method_.backbone(), set_.normalisation(), method_.views(set_.image()).at(0).recipe.size, device_, embed_options());
    knn_here_ = result.accuracy;
    line["knn"] = result.accuracy;
    line["effective_rank"] = result.effective_rank;
    line["feature_spread"] = result.spread;
    journal_.stage("online kNN", number + 1, begin);
    core::log_info("epoch {}/{}: loss {:.4f}, online kNN {:.1f} %, effective rank {:.1f}", number + 1, options_.epochs,
                   line.value("loss", 0.0), 100 * result.accuracy, result.effective_rank);
  } else {
    core::log_info("epoch {}/{}: loss {:.4f}", number + 1, options_.epochs, line.value("loss", 0.0));
  }
  journal_.metric(line);
  journal_.timing({{"type", "epoch"}, {"epoch", number + 1}, {"seconds", journal_.seconds()}});
  agreed_ = agree(0, ranks_.first() && checkpoints_.worth_keeping(number + 1, knn_here_));
  const bool due =
      agreed_.checkpoint_due || (options_.checkpoint_epochs > 0 && (number + 1) % options_.checkpoint_epochs == 0) || agreed_.worth_keeping;
  if (!last && due && faults_.clean()) checkpoint();
  if (!last) stop_if_agreed();
}

manifest::Model Trainer::train() {
  restore(ranks_.first() ? checkpoints_.newest() : std::nullopt);
  const std::string scaled =
      options_.lr_batch > 0 ? fmt::format(" ({} x {} / {})", options_.lr, options_.batch * options_.accumulate, options_.lr_batch) : "";
  core::log_info("{}: {} images, {} epochs of {} steps, batch {}{}, learning rate {:.4g}{}, {}", run_.method, set_.samples(),
                 options_.epochs, progress_.steps_per_epoch, options_.batch,
                 options_.accumulate > 1 ? fmt::format(" x {}", options_.accumulate) : "", peak_lr_, scaled, options_.device);
  if (ranks_.first() && progress_.step < progress_.total_steps) {  // a run that cannot be kept need not be made
    std::uint64_t bytes = 0;
    for (const auto& [name, tensor] : nn::named_state(method_)) bytes += tensor.nbytes();
    checkpoints_.look_for_room(bytes);
  }
  journal_.start_bar(run_.method, progress_.total_steps, progress_.step);
  while (progress_.step < progress_.total_steps) epoch(progress_.epoch());
  journal_.finish_bar();
  checkpoint();  // what is exported can be written again from here
  if (!bad_.empty())
    core::log_warning("{} of {} images cannot be used and were left out; {} lists them under training/bad_items", bad_.size(),
                      set_.samples(), (folder_ / "model.json").string());
  if (!ranks_.first()) return {};  // the files are the first one's
  journal_.sync();
  return export_model(run_, method_, set_, {progress_, journal_.seconds(), bad_, lengths_});
}

/// All ranks must have been started alike: in what changes the result, and in what they do together.
void compare_options(const Run& run) {
  json own = run.identity;
  own.update({{"log-every", run.train.log_every},
              {"knn-every", run.train.knn_every},
              {"checkpoint-steps", run.train.checkpoint_steps},
              {"checkpoint-epochs", run.train.checkpoint_epochs}});
  check_alike(own, run.ranks);
}

}  // namespace

manifest::Model pretrain(Run& run) {
  core::catch_stop_signals();
  compare_options(run);
  std::optional<RunFolder> folder;  // the first rank's alone
  std::optional<manifest::Model> finished;
  if (run.ranks.first()) {
    folder.emplace(run.folder, run.identity, run.may_change);
    finished = finished_run(run);
  }
  if (run.ranks.broadcast(finished ? "finished" : "") == "finished") return finished.value_or(manifest::Model());
  Trainer trainer(run);
  if (folder) folder->claim();
  return trainer.train();
}

}  // namespace selfsight::train
