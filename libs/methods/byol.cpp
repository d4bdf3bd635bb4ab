#include "methods/byol.h"

#include "nn/ema.h"
#include "nn/losses.h"

namespace selfsight::methods {

void Byol::describe(core::Options& o) {
  o.group("BYOL");
  o.add("ema", &options_.momentum, "tau_base, momentum of the target network at the start; rises to 1").range(0, 1);
  o.add("dim", &options_.dim, "output of projector and predictor").range(1, 1 << 16);
  o.add("hidden", &options_.hidden, "hidden width of projector and predictor").range(1, 1 << 16);
  options_.views.describe(o);
}

std::vector<data::ViewSpec> Byol::views(std::int64_t image) const { return train::view_specs(options_.views.recipes(), image); }

void Byol::build(const train::Setup& setup) {
  // As released: hidden layers with a bias before their normalisation, output layers without.
  const auto mlp = [&](std::int64_t in) {
    return nn::MlpOptions{.dims = {in, options_.hidden, options_.dim}, .batch_norm = true, .bias = false, .bias_before_norm = true};
  };
  const auto make = [&] {
    auto backbone = nn::make_backbone(setup.backbone);
    const nn::MlpOptions projector = mlp(backbone->feature_dim());
    return nn::make_encoder(std::move(backbone), projector);
  };
  online_ = register_module("online", make());
  target_ = register_module("target", make());
  nn::start_following(*target_, *online_);
  predictor_ = register_module("predictor", std::make_shared<nn::Mlp>(mlp(options_.dim)));
}

train::Outcome Byol::step(const train::Views& views, const train::Progress&) {
  // Each view goes through on its own: batch statistics are those of one kind of view.
  const torch::Tensor z1 = online_->forward(views.x[0]), z2 = online_->forward(views.x[1]);
  torch::Tensor t1, t2;
  {
    const torch::NoGradGuard no_grad;
    t1 = target_->forward(views.x[0]);
    t2 = target_->forward(views.x[1]);
  }
  train::Outcome out;
  out.loss = nn::cosine_loss(predictor_->forward(z1), t2) + nn::cosine_loss(predictor_->forward(z2), t1);
  out.embedding = z1;
  return out;
}

void Byol::after_update(const train::Progress& progress) {
  nn::ema_update(*target_, *online_, train::cosine(options_.momentum, 1.0, progress.share()));
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "byol", {.title = "BYOL",
             .paper = "Grill et al., Bootstrap Your Own Latent, NeurIPS 2020, arXiv 2006.07733",
             .summary = "Predict, from one view, what a slowly moving copy of the network makes of the other; no negatives.",
             .needs = "two views",
             .cost = "1.7 x the time, 1.0 x the memory",
             .profiles = {{"published",
                           {{"arch", "resnet50"},
                            {"zero-init-residual", true},
                            {"optimizer", "lars"},
                            {"lars-norm", "joint"},
                            {"lr", 0.2},
                            {"batch", 4096},
                            {"epochs", 1000},
                            {"warmup-epochs", 10},
                            {"weight-decay", 1.5e-6}}},
                          {"small",
                           {{"arch", "resnet18"},
                            {"zero-init-residual", false},
                            {"stem", "cifar"},
                            {"view-size", 0},
                            {"view-scale-min", 0.2},
                            {"view-blurs", {0.0, 0.0}},
                            {"view-solarizes", {0.0, 0.2}},
                            {"hidden", 1024},
                            {"ema", 0.99},
                            {"optimizer", "sgd"},
                            {"lr", 0.12},
                            {"lr-batch", 256},
                            {"batch", 256},
                            {"epochs", 200},
                            {"warmup-epochs", 2},
                            {"weight-decay", 5e-4}}}},
             .make = [] { return std::make_shared<Byol>(); }});
}  // namespace

}  // namespace selfsight::methods
