#include "methods/obow.h"

#include "nn/batch_norm.h"
#include "nn/ema.h"
#include "nn/losses.h"

#include <algorithm>
#include <set>

namespace selfsight::methods {

ObowOptions::ObowOptions() {
  full.name = "full";
  full.crop = "centre";
  full.size = 224;
  large = data::moco_v2_recipe(160);
  large.name = "large";
  large.scale_min = 0.08;
  large.scale_max = 0.6;
  small = data::moco_v2_recipe(96);
  small.name = "small";
  small.blur = 0;
  constexpr double patch = (96.0 / 256) * (96.0 / 256);
  small.scale_min = 0.6 * patch;
  small.scale_max = patch;
}

void Obow::describe(core::Options& o) {
  o.group("OBoW");
  o.add("levels", &options_.levels, "taps of the backbone whose maps make bags of words").metavar("TAP,...");
  o.add("words", &options_.words, "K, words in the vocabulary W of each level").range(2, 1 << 20);
  o.add("kappa-d", &options_.kappa_d, "kappa_d, sharpness of the codes: softmax(-kappa_d/mu d)").range(1e-3, 1e9);
  o.add("kappa", &options_.kappa, "kappa, scale of the predictions").range(1e-3, 1e6);
  o.add("mu", &options_.mu, "mu at the start, the mean squared distance of a place to its nearest word").range(1e-9, 1e9);
  o.add("mu-momentum", &options_.mu_rate, "momentum of the moving average mu; 1: mu stays, a fixed temperature").range(0, 1);
  o.add("ema", &options_.momentum, "alpha, momentum of the teacher at the start; rises to 1. 1: a frozen teacher").range(0, 1);
  o.add("bag-pool", &options_.pool, "how the codes of all places make the bag t").choices({"max", "mean"});
  o.add("word", &options_.word, "what an image gives to W: the mean of 3 x 3 places, one place, the mean of all")
      .choices({"local", "place", "global"});
  o.add("vocabulary", &options_.vocabulary, "W is renewed all the time, or keeps the first K words").choices({"online", "fixed"});
  o.add("head", &options_.head, "prediction weights G(W) made from the words, or trained for each place in W")
      .choices({"dynamic", "static"});
  o.add("hidden", &options_.hidden, "hidden width of G; 0: twice the features, 2 C_f").range(0, 1 << 16);
  o.add("border", &options_.border, "rings of cells cut off the teacher's maps; 0 for small maps").range(0, 64);
  o.add("larges", &options_.larges, "large crops for the student").range(0, 100);
  o.add("smalls", &options_.smalls, "small crops for the student").range(0, 100);
  o.group("Views");
  options_.full.describe(o, "full-");
  options_.large.describe(o, "large-");
  options_.small.describe(o, "small-");
}

std::vector<data::ViewSpec> Obow::views(std::int64_t image) const {
  if (options_.larges + options_.smalls == 0) core::fail(core::Exit::usage, "--larges 0 --smalls 0: the student has nothing to see");
  std::vector<data::Recipe> recipes = {options_.full};
  const auto add = [&](const data::Recipe& recipe, std::int64_t count) {
    for (std::int64_t i = 1; i <= count; ++i) {
      recipes.push_back(recipe);
      recipes.back().name = fmt::format("{}-{}", recipe.name, i);
    }
  };
  add(options_.large, options_.larges);
  add(options_.small, options_.smalls);
  return train::view_specs(recipes, image);
}

void Obow::build(const train::Setup& setup) {
  student_ = register_module("student", nn::make_backbone(setup.backbone));
  teacher_ = register_module("teacher", nn::make_backbone(setup.backbone));
  nn::start_following(*teacher_, *student_);

  const auto& names = options_.levels;
  if (names.empty() || std::set(names.begin(), names.end()).size() != names.size())
    core::fail(core::Exit::usage, "--levels {}: one or more different taps are needed", fmt::join(names, ","));
  const nn::Features probe = nn::probe(*teacher_, {names.begin(), names.end()});
  const std::int64_t features = student_->feature_dim();
  for (const auto& name : names) {
    const torch::Tensor& map = probe.taps.at(name);
    if (map.dim() != 4) core::fail(core::Exit::usage, "--levels {}: gives tokens, and words need a map", name);
    if (const auto side = std::min(map.size(2), map.size(3)); side <= 2 * options_.border)
      core::fail(core::Exit::usage, "--border {}: nothing is left of the {} x {} map of {} for views of {} pixels; give a smaller one (0)",
                 options_.border, map.size(2), map.size(3), name, setup.backbone.image);
    Level& level = levels_.emplace_back();
    level.tap = name;
    nn::VocabularyOptions vocabulary{.words = options_.words, .dim = map.size(1), .kappa = options_.kappa_d};
    vocabulary.distance = options_.mu;
    vocabulary.momentum = options_.mu_rate;
    vocabulary.pool = options_.pool;
    vocabulary.word = options_.word;
    vocabulary.fixed = options_.vocabulary == "fixed";
    level.vocabulary = register_module("vocabulary_" + name, std::make_shared<nn::Vocabulary>(vocabulary));
    if (options_.head == "dynamic") {
      const std::int64_t hidden = options_.hidden > 0 ? options_.hidden : 2 * features;
      level.generator = register_module(
          "generator_" + name, std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {map.size(1), hidden, features}, .batch_norm = true}));
      nn::keep_norms_local(*level.generator);  // it sees the words, which are the same on all ranks
    } else {
      level.prediction =
          register_module("prediction_" + name, torch::nn::Linear(torch::nn::LinearOptions(features, options_.words).bias(false)));
    }
  }
}

torch::Tensor Obow::weights(const Level& level) const {
  return nn::unit_rows(level.generator ? level.generator->forward(nn::unit_rows(level.vocabulary->words())) : level.prediction->weight);
}

torch::Tensor bow_loss(const torch::Tensor& targets, const torch::Tensor& logits) {
  return nn::soft_cross_entropy(targets, logits) + torch::xlogy(targets, targets).sum(1).mean();
}

train::Outcome Obow::step(const train::Views& views, const train::Progress&) {
  // The crops of one kind go through together, as released: batch statistics are those of the kind.
  std::vector<torch::Tensor> features;
  std::vector<std::int64_t> crops;
  auto view = views.x.begin() + 1;
  for (const std::int64_t count : {options_.larges, options_.smalls}) {
    if (count == 0) continue;
    features.push_back(student_->forward(torch::cat(std::vector(view, view + count))).pooled);
    crops.push_back(count);
    view += count;
  }
  std::map<std::string, torch::Tensor> maps;
  {
    const torch::NoGradGuard no_grad;
    maps = teacher_->forward(views.x[0], {options_.levels.begin(), options_.levels.end()}).taps;
  }
  train::Outcome out;
  out.embedding = features[0].slice(0, 0, views.x[0].size(0));
  torch::Tensor loss = torch::zeros({}, out.embedding.options().dtype(torch::kFloat32));
  for (const Level& level : levels_) {
    torch::Tensor map = maps.at(level.tap);
    for (const std::int64_t side : {2, 3}) map = map.narrow(side, options_.border, map.size(side) - 2 * options_.border);
    const torch::Tensor targets = level.vocabulary->bags(map), weight = weights(level);
    level.vocabulary->stage(map);
    const nn::FullPrecision guard;
    for (std::size_t kind = 0; kind < features.size(); ++kind) {
      const torch::Tensor logits = options_.kappa * torch::matmul(nn::widened(features[kind]), weight.t());
      loss = loss + bow_loss(targets.repeat({crops[kind], 1}), logits);
    }
    out.scalars["image_perplexity_" + level.tap] = nn::perplexity(targets);
    out.scalars["perplexity_" + level.tap] = nn::perplexity(ranks().mean(targets.mean(0, /*keepdim=*/true)));
  }
  out.loss = loss / static_cast<double>(levels_.size());
  return out;
}

// The paper moves the teacher in the middle of a step, towards a student that the step has not updated yet; moving it after the update of
// the step before, with the rate of the step to come, is the same (at the very first step the two are equal), and leaves a checkpoint in a
// state that needs nothing more.
void Obow::after_update(const train::Progress& progress) {
  nn::ema_update(*teacher_, *student_, train::cosine(options_.momentum, 1.0, progress.next_share()));
  for (auto& level : levels_) level.vocabulary->commit();
}

void Obow::after_skip(const train::Progress&) {
  for (auto& level : levels_) level.vocabulary->discard();
}

namespace {

/// The release's configuration for a fifth of ImageNet.
nlohmann::json release_resnet18() {
  return {{"arch", "resnet18"}, {"kappa-d", 10.0}, {"kappa", 5.0}, {"lr", 0.05},         {"lr-batch", 128},
          {"min-lr", 0.0},      {"batch", 128},    {"epochs", 80}, {"warmup-epochs", 0}, {"weight-decay", 5e-4}};
}

/// Its smaller one: the last level alone, one large crop.
nlohmann::json release_vanilla() {
  nlohmann::json values = release_resnet18();
  values.update({{"levels", {"layer4"}}, {"larges", 1}, {"smalls", 0}, {"batch", 256}, {"lr-batch", 256}});
  return values;
}

const bool registered = train::MethodRegistry::instance().add(
    "obow",
    {.title = "OBoW",
     .paper = "Gidaris et al., OBoW: Online Bag-of-Visual-Words Generation for Self-Supervised Learning, CVPR 2021, arXiv 2012.11552",
     .summary = "From crops of an image, predict the bag of visual words that a slowly moving teacher finds in the whole of it.",
     .needs = "a full view and several crops; a backbone with feature maps",
     .cost = "2.5 x the time, 1.2 x the memory",
     .profiles = {{"published",
                   {{"arch", "resnet50"},
                    {"optimizer", "sgd"},
                    {"lr", 0.03},
                    {"min-lr", 3e-5},
                    {"batch", 256},
                    {"epochs", 200},
                    {"warmup-epochs", 10},
                    {"weight-decay", 1e-4},
                    {"exclude-1d", false}}},
                  {"resnet18", release_resnet18()},
                  {"vanilla", release_vanilla()},
                  {"small", {{"arch", "resnet18"},     {"stem", "cifar"},   {"words", 1024},      {"kappa-d", 10.0},
                             {"kappa", 5.0},           {"border", 0},       {"full-size", 0},     {"large-size", 24},
                             {"large-scale-min", 0.2}, {"large-blur", 0.0}, {"small-size", 16},   {"small-scale-min", 0.1},
                             {"small-scale-max", 0.3}, {"lr", 0.05},        {"lr-batch", 128},    {"min-lr", 0.0},
                             {"batch", 128},           {"epochs", 200},     {"warmup-epochs", 1}, {"weight-decay", 5e-4}}}},
     .make = [] { return std::make_shared<Obow>(); }});
}  // namespace

}  // namespace selfsight::methods
