#include "methods/moco.h"

#include "core/log.h"
#include "nn/ema.h"
#include "nn/losses.h"

#include <cmath>

namespace selfsight::methods {

void Moco::describe(core::Options& o) {
  o.group("MoCo");
  o.add("temperature", &options_.temperature, "tau of InfoNCE").range(0.001, 10);
  o.add("ema", &options_.momentum, "m, momentum of the key encoder").range(0, 1);
  o.add("queue", &options_.queue, "K, keys in the queue").range(1, 1 << 24);
  o.add("dim", &options_.dim, "dimension of queries and keys").range(1, 1 << 16);
  o.add("head", &options_.head, "projection head: mlp (v2) or linear (v1)").choices({"mlp", "linear"});
  o.add("shuffle-groups", &options_.shuffle_groups,
        "groups that queries and (shuffled) keys are batch-normalised in, standing for shuffled BN over as many GPUs")
      .range(1, 4096);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Moco::views(std::int64_t image) const { return train::view_specs({options_.view, options_.view}, image); }

void Moco::build(const train::Setup& setup) {
  nn::check_groups(options_.shuffle_groups, setup.batch, setup.ranks, "--shuffle-groups");
  if (options_.queue >= setup.samples)
    core::log_warning("--queue {}: the split has {} images, so that an image's own last keys are among its negatives", options_.queue,
                      setup.samples);
  const auto make = [&] {
    auto backbone = nn::make_backbone(setup.backbone);
    const std::int64_t features = backbone->feature_dim();
    nn::MlpOptions head{.dims = {features, features, options_.dim}};
    if (options_.head == "linear") head.dims = {features, options_.dim};
    return nn::make_encoder(std::move(backbone), head);
  };
  query_ = register_module("query", make());
  key_ = register_module("key", make());
  nn::start_following(*key_, *query_);
  if (options_.shuffle_groups > 1) nn::keep_norms_local(*this);
  queue_ = register_module("queue", std::make_shared<nn::Queue>(options_.queue, options_.dim));
}

train::PairMethod::Pair Moco::encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress&) {
  // Batch statistics shared by a query and its key would give the pair away (section 3.3 of v1). The paper's GPUs each normalise their own
  // part of the batch, with the keys shuffled over them; here the parts are groups that go through the encoders one by one, a share of them
  // on each rank.
  const torch::Tensor query = nn::forward_in_groups(*query_, a, options_.shuffle_groups, ranks());
  const torch::NoGradGuard no_grad;
  const torch::Tensor key = nn::unit_rows(nn::forward_in_shuffled_groups(*key_, b, options_.shuffle_groups, ranks()));
  queue_->stage(key);
  return {query, key};
}

train::Outcome Moco::compare(const Pair& pair, const train::Progress&) {
  train::Outcome out;
  out.embedding = nn::unit_rows(pair.query);
  out.loss = nn::info_nce(out.embedding, pair.key, queue_->rows(), options_.temperature);
  out.uniform_loss = std::log(static_cast<double>(options_.queue) + 1.0);
  return out;
}

// The paper updates the key encoder at the start of a step, before the keys are encoded; doing it after the update of the step before is
// the same (at the very first step the two encoders are equal), and leaves a checkpoint in a state that needs nothing more.
void Moco::after_update(const train::Progress&) {
  nn::ema_update(*key_, *query_, options_.momentum);
  queue_->commit();
}

nlohmann::json moco_published() {
  return {{"arch", "resnet50"}, {"optimizer", "sgd"},   {"lr", 0.03},         {"batch", 256},
          {"epochs", 200},      {"weight-decay", 1e-4}, {"exclude-1d", false}};
}

nlohmann::json moco_small() {
  return {{"arch", "resnet18"}, {"stem", "cifar"},    {"view-size", 0},      {"view-blur", 0.0}, {"queue", 4096},
          {"ema", 0.99},        {"temperature", 0.1}, {"shuffle-groups", 4}, {"lr", 0.06},       {"lr-batch", 256},
          {"batch", 256},       {"epochs", 200},      {"weight-decay", 5e-4}};
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "moco", {.title = "MoCo v2",
             .paper = "He et al., CVPR 2020, arXiv 1911.05722; Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020, "
                      "arXiv 2003.04297",
             .summary = "A query finds its key, made by a slowly moving encoder, among a long queue of past keys (InfoNCE).",
             .needs = "two views",
             .cost = "1.0 x the time, 0.8 x the memory",
             .profiles = {{"published", moco_published()}, {"small", moco_small()}},
             .make = [] { return std::make_shared<Moco>(); }});
}  // namespace

}  // namespace selfsight::methods
