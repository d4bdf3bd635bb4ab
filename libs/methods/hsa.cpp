#include "methods/hsa.h"

#include "methods/moco.h"
#include "nn/ema.h"
#include "nn/encoder.h"
#include "nn/resnet.h"

#include <torch/nn/modules/activation.h>

#include <set>

namespace selfsight::methods {

StagedEncoder::StagedEncoder(const nn::BackboneOptions& backbone_options, const HsaOptions& options) : stages_(options.stages) {
  backbone = register_module("backbone", nn::make_backbone(backbone_options));
  const std::int64_t features = backbone->feature_dim();
  head = register_module("head", std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {features, features, options.dim}}));
  if (std::set(stages_.begin(), stages_.end()).size() != stages_.size())
    core::fail(core::Exit::usage, "--stages {}: one of them is named twice", fmt::join(stages_, ","));
  for (const auto& stage : stages_) {
    if (!backbone->taps().contains(stage))
      core::fail(core::Exit::usage, "--stages: {} has no stage '{}' (it has: {})", backbone_options.name, stage,
                 fmt::join(backbone->taps(), ", "));
    const torch::Tensor map = nn::probe(*backbone, {stage}).taps.at(stage);
    if (map.dim() != 4) core::fail(core::Exit::usage, "--stages {}: gives tokens, and a stage is lifted from a map", stage);
    const std::int64_t in = map.size(1);
    const std::int64_t planes = (in + 1) / 2, width = planes * nn::ResidualBlock::bottleneck_expansion;
    torch::nn::Sequential lift;
    if (options.stage_head == "bottleneck") {
      // As the block that would follow in a ResNet with bottlenecks: half the side, twice the channels.
      lift->push_back(std::make_shared<nn::ResidualBlock>(in, planes, /*stride=*/2, /*bottleneck=*/true));
    } else {
      lift->push_back(torch::nn::Conv2d(torch::nn::Conv2dOptions(in, width, 1).bias(false)));
      lift->push_back(nn::BatchNorm(width));
      lift->push_back(torch::nn::ReLU());
    }
    taps_.insert(stage);
    lifts_.push_back(register_module("lift-" + stage, lift));
    stage_heads_.push_back(
        register_module("head-" + stage, std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = {width, width, options.dim}})));
  }
}

torch::Tensor StagedEncoder::forward(const torch::Tensor& x) {
  const auto features = backbone->forward(x, taps_);
  std::vector<torch::Tensor> levels = {head->forward(features.pooled)};
  for (std::size_t i = 0; i < stages_.size(); ++i)
    levels.push_back(stage_heads_[i]->forward(lifts_[i]->forward(features.taps.at(stages_[i])).mean({2, 3})));
  return torch::cat(levels, 1);
}

void Hsa::describe(core::Options& o) {
  o.group("HSA");
  o.add("ema", &options_.momentum, "m, momentum of the key encoder").range(0, 1);
  o.add("dim", &options_.dim, "dimension of queries and keys").range(1, 1 << 16);
  o.add("refresh", &options_.refresh, "epochs between searches for neighbours").range(1, 1 << 20);
  o.add("stages", &options_.stages, "S, early stages that have the loss too (layer3 is conv4), or none").metavar("TAP,...");
  o.add("stage-weight", &options_.stage_weight, "w_s, weight of the loss at each of them").range(0, 100);
  o.add("stage-head", &options_.stage_head, "what lifts a stage's map before it is projected").choices({"bottleneck", "conv"});
  BagMethod::describe(o);
}

void Hsa::build(const train::Setup& setup) {
  if (options_.stages == std::vector<std::string>{"none"}) options_.stages.clear();
  query_ = register_module("query", std::make_shared<StagedEncoder>(setup.backbone, options_));
  key_ = register_module("key", std::make_shared<StagedEncoder>(setup.backbone, options_));
  nn::start_following(*key_, *query_);
  std::vector<double> weights(1 + options_.stages.size(), options_.stage_weight);
  weights[0] = 1;
  build_bags(setup, *this, options_.dim, std::move(weights));
}

void Hsa::before_epoch(const train::EpochContext& context) {
  if (context.progress.epoch() % options_.refresh == 0) find_mates(context, *key_->backbone);
}

torch::Tensor Hsa::queries(const torch::Tensor& x) { return nn::forward_in_groups(*query_, x, bag_.groups, ranks()); }
torch::Tensor Hsa::keys(const torch::Tensor& x) { return nn::forward_in_shuffled_groups(*key_, x, bag_.groups, ranks()); }

void Hsa::after_update(const train::Progress& progress) {
  nn::ema_update(*key_, *query_, options_.momentum);  // once a step, however often it ran
  BagMethod::after_update(progress);
}

namespace {

/// MoCo's, on the release's four GPUs.
nlohmann::json published() {
  nlohmann::json values = moco_published();
  values["shuffle-groups"] = 4;
  return values;
}

const bool registered = train::MethodRegistry::instance().add(
    "hsa", {.title = "HSA",
            .paper = "Xu et al., Hierarchical Semantic Aggregation for Contrastive Representation Learning (v2: Seed the Views), 2020, "
                     "arXiv 2012.02733",
            .summary = "MoCo whose positives are also the nearest neighbours of an image, at the last layer and at earlier stages.",
            .needs = "four views; a search for neighbours every few epochs",
            .cost = "3.6 x the time, 1.1 x the memory",
            .profiles = {{"published", published()}, {"small", moco_small()}},
            .make = [] { return std::make_shared<Hsa>(); }});
}  // namespace

}  // namespace selfsight::methods
