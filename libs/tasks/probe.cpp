#include "tasks/probe.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "metrics/classification.h"
#include "metrics/statistics.h"
#include "nn/neighbours.h"
#include "tasks/probe_classifier.h"
#include "tasks/probe_labels.h"
#include "tasks/probe_logistic.h"
#include "train/from_first.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace selfsight::tasks {

namespace {

using manifest::Json;
using torch::Tensor;

constexpr std::int64_t top5_above = 10;  ///< classes from which top-5 says something
constexpr std::int64_t most_confusion_classes = 200;

template <class T>
std::span<const T> values_of(const Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

Tensor as_tensor(const std::vector<std::int64_t>& values) { return torch::tensor(values, torch::kInt64); }

double percent(double share) { return 100 * share; }

/// Everything that is the same for all subjects: who may use which label.
struct Task {
  const ProbeOptions& options;
  std::string origin;
  LabelledSplit train;
  std::vector<std::int64_t> test_labelled;
  Tensor test_labels;  ///< of those that have one
  std::int64_t classes = 0;
  std::vector<std::int64_t> held_out;  ///< samples on which the linear probe's rate is chosen
  std::vector<LabelBudget> budgets, fine_tune_budgets;
  EmbedRun run;

  [[nodiscard]] bool does(const std::string& protocol) const {
    return std::find(options.protocols.begin(), options.protocols.end(), protocol) != options.protocols.end();
  }
  [[nodiscard]] std::vector<std::int64_t> draw(const LabelBudget& budget, std::int64_t number) const {
    if (budget.all) return train.labelled;
    return stratified_draw(train.labelled, train.labels, budget.count, options.seed, static_cast<std::uint64_t>(number),
                           DrawPurpose::few_labels);
  }
};

/// Features of one subject. Those of the training split are indexed by sample; those of the test split are of labelled samples only.
struct Material {
  Tensor train, test;
  Tensor mean, stddev;  ///< of the training split, D; (0, 1) without standardisation
};

/// Rows and predictions as they come.
class Results {
 public:
  Results(const Task& task, const Subject& subject, manifest::Metrics& metrics) : task_(task), subject_(subject), metrics_(metrics) {}

  void row(const std::string& name, std::vector<double> samples, Json protocol) {
    manifest::Row row;
    row.name = name;
    row.value = metrics::mean(samples);
    row.unit = "%";
    row.split = task_.options.test_split;
    row.subject = subject_.name;
    row.protocol = std::move(protocol);
    if (samples.size() > 1) row.samples = std::move(samples);
    const double spread = metrics::standard_deviation(row.samples);
    core::log_info("{}: {} {:.2f}{} % ({} labels)", row.subject, name, row.value, spread > 0 ? fmt::format(" ± {:.2f}", spread) : "",
                   row.protocol.at("labels").get<std::int64_t>());
    metrics_.rows.push_back(std::move(row));
  }

  [[nodiscard]] double accuracy(const Tensor& predictions) const {
    return percent(metrics::accuracy(values_of<std::int64_t>(predictions), values_of<std::int64_t>(task_.test_labels)));
  }
  [[nodiscard]] double top5(const Tensor& scores) const {
    const Tensor plain = scores.to(torch::kCPU, torch::kFloat32).contiguous();
    return percent(metrics::top_k(values_of<float>(plain), plain.size(1), values_of<std::int64_t>(task_.test_labels), 5));
  }

  /// Keeps the breakdown of the model's first protocol.
  void breakdown(const std::string& protocol, const Tensor& predictions) {
    if (subject_.baseline || metrics_.extra.contains("per_class")) return;
    const auto counts = metrics::confusion(values_of<std::int64_t>(predictions), values_of<std::int64_t>(task_.test_labels), task_.classes);
    Json names = Json::array(), shares = Json::array();
    for (std::int64_t c = 0; c < task_.classes; ++c)
      names.push_back(names_.empty() ? std::to_string(c) : names_.at(static_cast<std::size_t>(c)));
    for (const auto& share : counts.per_class()) shares.push_back(share ? Json(percent(*share)) : Json());
    const Json facts = {{"subject", subject_.name}, {"protocol", protocol}, {"split", task_.options.test_split}, {"labels", names}};
    metrics_.extra["per_class"] = facts;
    metrics_.extra["per_class"]["values"] = shares;
    if (task_.classes > most_confusion_classes) return;
    Json rows = Json::array();
    for (std::int64_t c = 0; c < task_.classes; ++c)
      rows.push_back(std::vector(counts.counts.begin() + c * task_.classes, counts.counts.begin() + (c + 1) * task_.classes));
    metrics_.extra["confusion"] = facts;
    metrics_.extra["confusion"]["counts"] = rows;
  }
  void name_classes(const std::vector<std::string>& names) {
    if (static_cast<std::int64_t>(names.size()) >= task_.classes) names_ = names;
  }

 private:
  const Task& task_;
  const Subject& subject_;
  manifest::Metrics& metrics_;
  std::vector<std::string> names_;
};

Json features_fact(const Subject& subject) {
  const auto& options = subject.network.backbone->options();
  return subject.layer == "pixels" ? fmt::format("pixels {0} x {0} x {1}", options.image, options.channels) : subject.layer;
}

std::string standardised_fact(const ProbeOptions& options) { return options.standardise ? "over " + options.train_split : "no"; }

void judge_knn(const Task& task, const Subject& subject, const Material& material, Results& results) {
  const auto labelled = static_cast<std::int64_t>(task.train.labelled.size());
  const Tensor rows = as_tensor(task.train.labelled);
  const Tensor train_x = material.train.index_select(0, rows).to(task.run.device),
               train_y = as_tensor(task.train.labels).index_select(0, rows).to(task.run.device);
  const auto [begin, end] = task.run.ranks.own_part(material.test.size(0));
  const Tensor queries = material.test.slice(0, begin, end).to(task.run.device);
  for (const std::int64_t k : task.options.knn_k) {
    const Tensor own = nn::knn_predict(train_x, train_y, queries, k, task.options.knn_temperature, task.classes);
    const Tensor predictions = task.run.ranks.gather_parts(own.to(torch::kCPU).contiguous());
    results.row("kNN top-1", {results.accuracy(predictions)},
                {{"k", k},
                 {"temperature", task.options.knn_temperature},
                 {"similarity", "cosine"},
                 {"labels", labelled},
                 {"features", features_fact(subject)}});
    results.breakdown("knn", predictions);
  }
}

void judge_linear(const Task& task, const Subject& subject, const OpenSplit& split, const Material& material, Results& results) {
  const ProbeOptions& options = task.options;
  LinearOptions linear = options.linear;
  linear.seed = options.seed;
  Tensor inside = torch::ones({static_cast<std::int64_t>(task.train.labels.size())}, torch::kBool);
  const Tensor held = as_tensor(task.held_out), labelled = as_tensor(task.train.labelled), labels = as_tensor(task.train.labels);
  inside.index_fill_(0, held, false);
  const auto& device = task.run.device;
  const auto count = static_cast<std::int64_t>(task.train.labelled.size());
  const LinearFeed feed = options.augment
                              ? augmented_feed(subject, split, task.train.labelled, inside, material.mean.to(device),
                                               material.stddev.to(device), linear, options.crop, task.run)
                              : fixed_feed(material.train.index_select(0, labelled).to(device), labels.index_select(0, labelled).to(device),
                                           inside.index_select(0, labelled).to(device), linear.batch, linear.seed);
  const std::int64_t steps = (count + linear.batch - 1) / linear.batch;
  const LinearFit fit = train_linear(feed, steps, task.classes, material.train.index_select(0, held).to(device),
                                     labels.index_select(0, held).to(device), linear, task.run.ranks);

  const Tensor scores = torch::addmm(fit.bias, material.test.to(device), fit.weight).to(torch::kCPU);
  const Tensor predictions = scores.argmax(1);
  const Json protocol = {
      {"classifier", "softmax"},
      {"optimizer", fmt::format("sgd, momentum {:g}, cosine", linear.momentum)},
      {"learning rate", fit.learning_rate},
      {"learning rates tried", linear.learning_rates},
      {"chosen on", fmt::format("{} of the samples of {}, held out; then trained on all", task.held_out.size(), options.train_split)},
      {"epochs", linear.epochs},
      {"batch", linear.batch},
      {"weight decay", linear.weight_decay},
      {"augmentation", options.augment ? options.crop.text() : "none"},
      {"labels", count},
      {"seed", options.seed},
      {"features", features_fact(subject)},
      {"standardised", standardised_fact(options)}};
  results.row("linear top-1", {results.accuracy(predictions)}, protocol);
  if (task.classes > top5_above) results.row("linear top-5", {results.top5(scores)}, protocol);
  results.breakdown("linear", predictions);
}

void judge_few_labels(const Task& task, const Subject& subject, const Material& material, Results& results) {
  const ProbeOptions& options = task.options;
  const Tensor labels = as_tensor(task.train.labels).to(task.run.device), train = material.train.to(task.run.device),
               test = material.test.to(task.run.device);
  for (const LabelBudget& budget : task.budgets) {
    const std::int64_t draws = budget.all ? 1 : options.draws;
    const Tensor drawn = torch::zeros({4, draws}, torch::kFloat64);  // top-1, top-5, strength, folds; each is one rank's
    const auto note = [&](std::int64_t what, std::int64_t draw, double value) { drawn[what][draw].fill_(value); };
    for (std::int64_t draw = task.run.ranks.rank(); draw < draws; draw += task.run.ranks.size()) {
      const Tensor rows = as_tensor(task.draw(budget, draw)).to(task.run.device);
      const ProbeFit fit = fit_probe(train.index_select(0, rows), labels.index_select(0, rows), task.classes, options.strengths,
                                     options.seed, static_cast<std::uint64_t>(draw), {});
      const Tensor scores = torch::addmm(fit.bias, test, fit.weight).to(torch::kCPU);
      const Tensor predictions = scores.argmax(1);
      note(0, draw, results.accuracy(predictions));
      if (task.classes > top5_above) note(1, draw, results.top5(scores));
      note(2, draw, fit.strength);
      note(3, draw, static_cast<double>(fit.folds));
      if (draw == 0) results.breakdown(fmt::format("few-labels, {} labels, draw 0", budget.count), predictions);
    }
    task.run.ranks.sum_(drawn);
    const auto of_draws = [&](std::int64_t what) {
      const auto values = values_of<double>(drawn[what]);
      return std::vector<double>(values.begin(), values.end());
    };
    const auto folds = static_cast<std::int64_t>(of_draws(3).back());
    const Json protocol = {{"labels", budget.count},
                           {"draws", draws},
                           {"seed", options.seed},
                           {"classifier", "logistic regression, L-BFGS"},
                           {"L2", of_draws(2)},
                           {"L2 tried", options.strengths},
                           {"chosen by", folds > 1    ? fmt::format("{}-fold cross-validation within the draw", folds)
                                         : folds == 1 ? "one held-out fifth of the draw"
                                                      : "nothing: a class with a single label, or one strength only"},
                           {"features", features_fact(subject)},
                           {"standardised", standardised_fact(options)}};
    results.row("few-label top-1", of_draws(0), protocol);
    if (task.classes > top5_above) results.row("few-label top-5", of_draws(1), protocol);
  }
}

void judge_fine_tuning(const Task& task, const Subject& subject, const OpenSplit& train, const OpenSplit& test, Results& results) {
  const ProbeOptions& options = task.options;
  for (const LabelBudget& budget : task.fine_tune_budgets) {
    std::vector<double> top1, losses;
    std::int64_t epochs = 0;
    for (std::int64_t draw = 0; draw < (budget.all ? 1 : options.fine_tune_draws); ++draw) {
      FineTuneOptions tuning = options.fine_tune;
      tuning.seed = options.seed + static_cast<std::uint64_t>(draw);
      const FineTuned tuned = fine_tune(subject, train, task.draw(budget, draw), test, task.classes, tuning, options.crop, task.run);
      const Tensor predictions = tuned.predictions.index_select(0, as_tensor(task.test_labelled));
      top1.push_back(results.accuracy(predictions));
      losses.push_back(tuned.loss);
      epochs = tuned.epochs;
      if (draw == 0) results.breakdown(fmt::format("fine-tune, {} labels", budget.count), predictions);
    }
    results.row("fine-tune top-1", top1,
                {{"labels", budget.count},
                 {"draws", top1.size()},
                 {"seed", options.seed},
                 {"optimizer", "adamw, cosine"},
                 {"learning rate", options.fine_tune.learning_rate},
                 {"chosen on", "nothing: fixed"},
                 {"weight decay", options.fine_tune.weight_decay},
                 {"layer decay", options.fine_tune.layer_decay},
                 {"warm-up", options.fine_tune.warmup},
                 {"epochs", epochs},
                 {"loss of the last epoch", losses},
                 {"batch", options.fine_tune.batch},
                 {"augmentation", options.crop.text()},
                 {"features", "the whole network"}});
  }
}

void judge_heads(const Task& task, const Subject& subject, const OpenSplit& train, const OpenSplit& test, Results& results) {
  const ProbeOptions& options = task.options;
  HeadOptions head = options.head;
  head.seed = options.seed;
  for (const std::string kind : {"non-linear", "conv"}) {
    if (!task.does(kind)) continue;
    const HeadJudged judged = judge_by_head(kind, subject, train, task.train.labelled, test, task.classes, head, options.crop, task.run);
    const Tensor predictions = judged.predictions.index_select(0, as_tensor(task.test_labelled));
    results.row(kind + " top-1", {results.accuracy(predictions)},
                {{"labels", task.train.labelled.size()},
                 {"classifier", kind == "conv" ? "3x3, 1x1 and 1x1 convolutions with normalisation and ReLU, average, softmax"
                                               : "two hidden layers of 20 units a class with normalisation and ReLU, softmax"},
                 {"seed", options.seed},
                 {"optimizer", "sgd, Nesterov's momentum 0.9"},
                 {"learning rate", head.learning_rate},
                 {"falls to a fifth after", judged.drops},
                 {"chosen on", "nothing: fixed"},
                 {"weight decay", head.weight_decay},
                 {"epochs", head.epochs},
                 {"batch", head.batch},
                 {"loss of the last epoch", judged.loss},
                 {"augmentation", options.crop.text()},
                 {"features", features_fact(subject)}});
    results.breakdown(kind, predictions);
  }
}

/// What would make numbers that mean something else than they seem to.
void warn_of_splits(const Task& task, const OpenSplit& train, const OpenSplit& test) {
  if (train.name == test.name)
    core::log_warning(
        "--train-split and --test-split are both '{}': the numbers say how well labels are remembered, not how well they carry over",
        train.name);
  std::set<std::int64_t> known;
  for (const std::int64_t sample : task.train.labelled) known.insert(task.train.labels[static_cast<std::size_t>(sample)]);
  std::set<std::int64_t> unknown;
  const auto* labels = task.test_labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < task.test_labels.numel(); ++i)
    if (!known.contains(labels[i])) unknown.insert(labels[i]);
  if (!unknown.empty())
    core::log_warning("{} class(es) of the split '{}' have no labelled image in '{}' and cannot be got right (the first: class {})",
                      unknown.size(), test.name, train.name, class_text(test.class_names, *unknown.begin()));
}

Task make_task(const OpenSplit& train, const OpenSplit& test, const std::string& origin, const ProbeOptions& options,
               const dist::Ranks& ranks) {
  if (options.protocols.empty()) core::fail(core::Exit::usage, "--protocol: name at least one, or nothing is judged");
  Task task{options, origin, labelled_split(origin, train.name, data::labels_of(*train.source), train.class_names)};
  const std::vector<std::int64_t> test_labels = data::labels_of(*test.source);
  std::vector<std::int64_t> kept;
  task.classes = task.train.classes;
  for (std::size_t i = 0; i < test_labels.size(); ++i) {
    if (test_labels[i] < 0) continue;
    task.test_labelled.push_back(static_cast<std::int64_t>(i));
    kept.push_back(test_labels[i]);
    task.classes = std::max(task.classes, test_labels[i] + 1);
  }
  if (kept.empty()) core::fail(core::Exit::bad_data, "{}: the split '{}' has no labels, which a probe needs", origin, test.name);
  task.test_labels = as_tensor(kept);

  const auto labelled = static_cast<std::int64_t>(task.train.labelled.size());
  if (task.does("linear")) {
    const std::int64_t held =
        std::max(task.train.present, static_cast<std::int64_t>(std::llround(options.held_out * static_cast<double>(labelled))));
    if (held + task.train.present > labelled)
      core::fail(core::Exit::bad_data,
                 "{}: {} labelled samples of {} classes in split '{}' are too few to hold some out for the learning rate", origin, labelled,
                 task.train.present, train.name);
    task.held_out = stratified_draw(task.train.labelled, task.train.labels, held, options.seed, 0, DrawPurpose::held_out);
  }
  if (task.does("knn"))
    for (const std::int64_t k : options.knn_k)
      if (k > labelled) core::fail(core::Exit::usage, "--knn-k {}: the split '{}' has only {} labelled samples", k, train.name, labelled);
  if (task.does("few-labels")) task.budgets = parse_budgets("--labels", options.labels, task.train);
  if (task.does("fine-tune")) task.fine_tune_budgets = parse_budgets("--fine-tune-labels", options.fine_tune_labels, task.train);
  task.run = {
      .device = train::open_device(options.device), .batch = options.batch, .workers = options.workers, .fill = true, .ranks = ranks};
  warn_of_splits(task, train, test);
  return task;
}

/// Mean and deviation of the training split; features that never change keep their scale.
void standardise(Material& material, bool really) {
  const std::int64_t dim = material.train.size(1);
  material.mean = torch::zeros({dim});
  material.stddev = torch::ones({dim});
  if (!really) return;
  material.mean = material.train.mean(0);
  material.train.sub_(material.mean);  // centred before squares are summed: float32 is then enough
  material.stddev = material.train.square().mean(0).sqrt_();
  material.stddev.masked_fill_(material.stddev < 1e-6, 1);
  material.train.div_(material.stddev);
  material.test = (material.test - material.mean) / material.stddev;
}

/// model - baseline for every number of few labels that both have over the same draws.
void add_differences(manifest::Metrics& metrics, const std::string& model) {
  const std::vector<manifest::Row> rows = metrics.rows;
  for (const auto& own : rows) {
    if (own.subject != model || own.samples.empty()) continue;
    for (const auto& other : rows) {
      const bool of_layer = other.subject == "pixels" || other.protocol.at("features") == own.protocol.at("features");
      if (other.subject == model || other.name != own.name || other.protocol.at("labels") != own.protocol.at("labels") ||
          other.samples.size() != own.samples.size() || !of_layer)
        continue;
      const metrics::Paired difference = metrics::paired_difference(own.samples, other.samples);
      manifest::Row row = own;
      row.name += " difference to " + other.subject;
      row.unit = "points";
      row.value = difference.mean;
      row.samples = difference.samples;
      row.protocol = {{"labels", own.protocol.at("labels")},
                      {"features", own.protocol.at("features")},
                      {"draws", own.samples.size()},
                      {"seed", own.protocol.at("seed")},
                      {"pairing", "the same draws of labels for both"},
                      {"standard error", difference.standard_error}};
      core::log_info("{}: {} {:+.2f} ± {:.2f} points (mean and standard error over {} paired draws of {} labels)", row.subject, row.name,
                     difference.mean, difference.standard_error, own.samples.size(), own.protocol.at("labels").get<std::int64_t>());
      metrics.rows.push_back(std::move(row));
    }
  }
}

}  // namespace

manifest::Metrics probe(const manifest::Model& model, const manifest::Dataset& dataset, const ProbeOptions& options,
                        const OutputFolder& output, const dist::Ranks& ranks) {
  train::prepare_cpu(options.threads);
  const std::filesystem::path& folder = output.path();
  manifest::Metrics metrics;
  metrics.folder = folder;
  metrics.origin = (folder / "metrics.json").string();

  if (std::find(options.protocols.begin(), options.protocols.end(), "classifier") != options.protocols.end()) {
    judge_classifier(model, dataset, options, output, ranks, metrics);
    return metrics;
  }

  std::vector<Subject> subjects;
  for (const std::string& layer : options.layers) {
    subjects.push_back(model_subject(model, layer));
    check_layer(subjects.back());
    if (subjects.back().of_head && std::find(options.protocols.begin(), options.protocols.end(), "fine-tune") != options.protocols.end())
      core::fail(core::Exit::usage, "--protocol fine-tune: tunes the network, and --layer {} is of a head behind it", layer);
  }
  if (subjects.empty() || std::set(options.layers.begin(), options.layers.end()).size() != options.layers.size())
    core::fail(core::Exit::usage, "--layer {}: give one or several different ones", fmt::join(options.layers, ","));
  metrics.model = subjects.front().model;
  const OpenSplit train = open_split(dataset, options.train_split, subjects.front(), options.bad),
                  test = open_split(dataset, options.test_split, subjects.front(), options.bad);
  if (const Json left_out = left_out_json({&train, &test}); !left_out.empty()) metrics.extra["bad_items"] = left_out;
  const Task task = make_task(train, test, dataset.origin, options, ranks);
  for (const std::string& baseline : options.baselines) {
    if (baseline == "pixels") subjects.push_back(pixel_subject(model));
    if (baseline == "untrained")
      for (const std::string& layer : options.layers) subjects.push_back(untrained_subject(model, layer, options.seed));
  }

  for (const std::string kind : {"non-linear", "conv"})
    if (task.does(kind))
      for (const Subject& subject : subjects) check_head(kind, subject);
  output.take();  // nothing is written before the input has proved good
  FeatureStore store(subjects, folder, task.run, train::first_says(options.reuse, ranks));
  for (const Subject& subject : subjects) {
    Results results(task, subject, metrics);
    results.name_classes(dataset.split(options.test_split).labels);
    if (task.does("linear") || task.does("knn") || task.does("few-labels")) {
      const auto train_features = store.take(subject, train), test_features = store.take(subject, test);
      store.keep(subject, train, train_features);
      if (ranks.first())
        metrics.features.push_back(to_json(save_features(subject, test, test_features, dataset, store.file_of(subject, test)), folder));

      Material material{train_features.features, test_features.features.index_select(0, as_tensor(task.test_labelled)), {}, {}};
      if (task.does("knn")) judge_knn(task, subject, material, results);
      standardise(material, options.standardise);
      if (task.does("linear")) judge_linear(task, subject, train, material, results);
      if (task.does("few-labels")) judge_few_labels(task, subject, material, results);
    }
    judge_heads(task, subject, train, test, results);
    // A whole network has no layer: it is tuned once, and the pixels not at all.
    const bool once = subject.layer == options.layers.front() && !subject.network.backbone->parameters().empty();
    if (task.does("fine-tune") && once) judge_fine_tuning(task, subject, train, test, results);
  }
  add_differences(metrics, subjects.front().name);
  return metrics;
}

}  // namespace selfsight::tasks
