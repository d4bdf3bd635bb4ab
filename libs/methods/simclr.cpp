#include "methods/simclr.h"

#include "nn/losses.h"

#include <cmath>

namespace selfsight::methods {

void Simclr::describe(core::Options& o) {
  o.group("SimCLR");
  o.add("temperature", &options_.temperature, "tau of NT-Xent").range(0.001, 10);
  o.add("dim", &options_.dim, "dimension of the embedding z").range(1, 1 << 16);
  o.add("hidden", &options_.hidden, "hidden width of the projector; 0: as wide as the features").range(0, 1 << 16);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Simclr::views(std::int64_t image) const { return train::view_specs({options_.view, options_.view}, image); }

void Simclr::build(const train::Setup& setup) {
  auto backbone = nn::make_backbone(setup.backbone);
  const nn::MlpOptions projector = head(backbone->feature_dim());
  encoder_ = register_module("encoder", nn::make_encoder(std::move(backbone), projector));
}

// The released head normalises its output layer too, with a gain and no bias.
nn::MlpOptions Simclr::head(std::int64_t features) const {
  const std::int64_t hidden = options_.hidden > 0 ? options_.hidden : features;
  return {.dims = {features, hidden, options_.dim}, .batch_norm = true, .last_batch_norm = true, .last_norm_bias = false};
}

train::PairMethod::Pair Simclr::encode(const torch::Tensor& a, const torch::Tensor& b, const train::Progress&) {
  const auto z = encoder_->forward(torch::cat({a, b})).chunk(2);
  return {z[0], z[1]};
}

train::Outcome Simclr::compare(const Pair& pair, const train::Progress&) {
  train::Outcome out;
  out.loss = nn::nt_xent(pair.query, pair.key, options_.temperature, ranks());
  out.embedding = pair.query;
  out.uniform_loss = std::log(2.0 * static_cast<double>(ranks().whole(pair.query.size(0))) - 1.0);
  return out;
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "simclr", {.title = "SimCLR",
               .paper = "Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, arXiv 2002.05709",
               .summary = "Two views of an image attract, all other images of the batch repel (NT-Xent).",
               .needs = "two views; a large batch",
               .cost = "1",
               .profiles = {{"published",
                             {{"arch", "resnet50"},
                              {"zero-init-residual", true},
                              {"view-filter", "bicubic"},
                              {"optimizer", "lars"},
                              {"lars-norm", "joint"},
                              {"lr", 0.3},
                              {"batch", 4096},
                              {"epochs", 100},
                              {"warmup-epochs", 10},
                              {"weight-decay", 1e-6}}},
                            {"small",
                             {{"arch", "resnet18"},
                              {"zero-init-residual", false},
                              {"stem", "cifar"},
                              {"view-size", 0},
                              {"view-filter", "bilinear"},
                              {"view-scale-min", 0.2},
                              {"view-blur", 0.0},
                              {"temperature", 0.5},
                              {"optimizer", "sgd"},
                              {"lr", 0.06},
                              {"lr-batch", 128},
                              {"batch", 256},
                              {"epochs", 200},
                              {"warmup-epochs", 2},
                              {"weight-decay", 5e-4}}}},
               .make = [] { return std::make_shared<Simclr>(); }});
}  // namespace

}  // namespace selfsight::methods
