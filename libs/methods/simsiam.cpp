#include "methods/simsiam.h"

#include "nn/losses.h"

#include <functional>

namespace selfsight::methods {

void Simsiam::describe(core::Options& o) {
  o.group("SimSiam");
  o.add("dim", &options_.dim, "d, output of projector and predictor").range(1, 1 << 16);
  o.add("bottleneck", &options_.bottleneck, "hidden width of the predictor").range(1, 1 << 16);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Simsiam::views(std::int64_t image) const { return train::view_specs({options_.view, options_.view}, image); }

void Simsiam::build(const train::Setup& setup) {
  auto backbone = nn::make_backbone(setup.backbone);
  nn::MlpOptions projector{.dims = {backbone->feature_dim(), options_.dim, options_.dim, options_.dim},
                           .batch_norm = true,
                           .last_batch_norm = true,
                           .last_affine = false};
  encoder_ = register_module("encoder", nn::make_encoder(std::move(backbone), projector));
  predictor_ = register_module("predictor", std::make_shared<nn::Mlp>(nn::MlpOptions{
                                                .dims = {options_.dim, options_.bottleneck, options_.dim}, .batch_norm = true}));
}

train::PairMethod::Pair Simsiam::encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress&) {
  const torch::Tensor z1 = encoder_->forward(a), z2 = encoder_->forward(b);
  const torch::Tensor p1 = predictor_->forward(z1), p2 = predictor_->forward(z2);
  return {torch::cat({p1, p2}), torch::cat({z2, z1}).detach(), torch::cat({p2, p1})};
}

train::Outcome Simsiam::compare(const Pair& pair, const train::Progress&) {
  train::Outcome out;
  out.loss = nn::negative_cosine(pair.query, pair.key);
  out.embedding = pair.key;
  return out;
}

std::vector<train::ParameterGroup> Simsiam::parameter_groups(const train::OptimizerOptions& options) {
  auto groups = train::default_groups(*this, options.exclude_1d);
  // The predictor's learning rate does not decay, so that it follows the newest representations (released configuration, --fix-pred-lr).
  std::vector<train::ParameterGroup> out;
  for (auto& group : groups) {
    train::ParameterGroup predictor = group;
    predictor.fixed_lr = true;
    const auto of_predictor = [](const auto& item) { return item.first.starts_with("predictor."); };
    std::erase_if(group.parameters, of_predictor);
    std::erase_if(predictor.parameters, std::not_fn(of_predictor));
    out.push_back(std::move(group));
    out.push_back(std::move(predictor));
  }
  return out;
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "simsiam",
    {.title = "SimSiam",
     .paper = "Chen and He, Exploring Simple Siamese Representation Learning, CVPR 2021, arXiv 2011.10566",
     .summary =
         "One network, two views: predict the one's embedding from the other's, with the target detached; no negatives, no momentum.",
     .needs = "two views",
     .cost = "4.7 x the time, 1.7 x the memory (on a small network: its heads are wide)",
     .profiles = {{"published",
                   {{"arch", "resnet50"},
                    {"zero-init-residual", true},
                    {"optimizer", "sgd"},
                    {"lr", 0.05},
                    {"batch", 512},
                    {"epochs", 100},
                    {"weight-decay", 1e-4},
                    {"exclude-1d", false}}},
                  {"small",
                   {{"arch", "resnet18"},
                    {"zero-init-residual", false},
                    {"stem", "cifar"},
                    {"view-size", 0},
                    {"view-blur", 0.0},
                    {"bottleneck", 512},
                    {"lr", 0.12},
                    {"batch", 256},
                    {"epochs", 200},
                    {"weight-decay", 5e-4}}}},
     .make = [] { return std::make_shared<Simsiam>(); }});
}  // namespace

}  // namespace selfsight::methods
