#include "methods/g_simclr.h"

namespace selfsight::methods {

void GSimclr::describe(core::Options& o) {
  o.group("G-SimCLR");
  o.add("temperature", &options_.temperature, "tau of NT-Xent").range(0.001, 10);
  o.add("widths", &widths_, "widths of the projector's layers, the embedding's last").range(1, 1 << 16);
  o.group("Views");
  options_.view.describe(o, "view-");
}

void GSimclr::build(const train::Setup& setup) {
  if (!setup.planned)
    core::fail(core::Exit::usage, "say which batches: --plan PLAN.json, from ssl-plan batches (with --by random for the baseline)");
  if (widths_.empty()) core::fail(core::Exit::usage, "--widths: the projector needs one layer at least");
  Simclr::build(setup);
}

nn::MlpOptions GSimclr::head(std::int64_t features) const {
  nn::MlpOptions head{.dims = {features}};
  head.dims.insert(head.dims.end(), widths_.begin(), widths_.end());
  return head;
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "g-simclr",
    {.title = "G-SimCLR",
     .paper = "Chakraborty et al., G-SimCLR: Self-Supervised Contrastive Learning with Guided Projection via Pseudo Labelling, "
              "ICDM workshops 2020, arXiv 2009.12007",
     .summary = "SimCLR in batches of different clusters of a denoising autoencoder's codes, as far as the smallest cluster lasts.",
     .needs = "a plan of batches (--plan, from ssl-plan batches); two views",
     .cost = "1.0 x the time, 0.9 x the memory",
     .profiles = {{"published",
                   {{"arch", "resnet50"},
                    {"stem", "cifar"},
                    {"view-size", 0},
                    {"view-crop", "none"},
                    {"view-jitter", 0.5},
                    {"view-brightness", 0.16},
                    {"view-contrast", 0.16},
                    {"view-saturation", 0.16},
                    {"view-hue", 0.04},
                    {"view-grey", 0.0},
                    {"view-blur", 0.0},
                    {"optimizer", "sgd"},
                    {"momentum", 0.0},
                    {"lr", 0.1},
                    {"lr-batch", 0},
                    {"batch", 64},
                    {"epochs", 15},
                    {"weight-decay", 0.0},
                    {"exclude-1d", false}}},
                  {"small",
                   {{"arch", "resnet18"},
                    {"view-crop", "random"},
                    {"view-scale-min", 0.2},
                    {"view-jitter", 0.8},
                    {"view-brightness", 0.4},
                    {"view-contrast", 0.4},
                    {"view-saturation", 0.4},
                    {"view-hue", 0.1},
                    {"temperature", 0.5},
                    {"momentum", 0.9},
                    {"lr", 0.02},
                    {"lr-batch", 128},
                    {"epochs", 200},
                    {"weight-decay", 5e-4}}}},
     .make = [] { return std::make_shared<GSimclr>(); }});
}  // namespace

}  // namespace selfsight::methods
