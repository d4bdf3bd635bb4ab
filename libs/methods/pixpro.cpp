#include "methods/pixpro.h"

#include "nn/cells.h"
#include "nn/ema.h"
#include "nn/losses.h"
#include "nn/to_device.h"

#include <limits>

namespace selfsight::methods {

namespace {

/// 1x1 convolutions of the release as linear layers on cells; all have a bias, also before a normalisation.
std::shared_ptr<nn::Mlp> mlp(std::vector<std::int64_t> dims) {
  return std::make_shared<nn::Mlp>(nn::MlpOptions{.dims = std::move(dims), .batch_norm = true, .bias_before_norm = true});
}

/// Dot products of all cells of one view with all of the other, N x P x P.
torch::Tensor dots(const torch::Tensor& a, const torch::Tensor& b) { return torch::matmul(a, b.transpose(1, 2)); }

}  // namespace

PixproOptions::PixproOptions() {
  views.view.filter = "bilinear";  // unlike BYOL's
  views.view.blur_kernel = 23;     // PIL's blur is not cut off
}

PixelPropagation::PixelPropagation(std::int64_t dim, std::int64_t layers, double gamma) : gamma_(gamma) {
  if (layers > 0) g_ = register_module("g", mlp(std::vector<std::int64_t>(static_cast<std::size_t>(layers) + 1, dim)));
}

torch::Tensor PixelPropagation::forward(const torch::Tensor& x) {
  const torch::Tensor values = nn::unit_cells(g_ ? g_->forward(x.flatten(0, 1)).view_as(x) : x);
  const nn::FullPrecision guard;
  const torch::Tensor unit = nn::unit_cells(x);
  torch::Tensor similarity = dots(unit, unit).clamp_min(0);
  if (gamma_ < 1) similarity = similarity + 1e-6;  // the power has no finite slope at 0
  return nn::unit_cells(torch::matmul(similarity.pow(gamma_), values));
}

torch::Tensor matching_cells(const torch::Tensor& a, const torch::Tensor& b, std::int64_t h, std::int64_t w, double threshold) {
  return (nn::cell_distances(a, b, h, w) < threshold).to(a.scalar_type());
}

torch::Tensor pixel_consistency(const torch::Tensor& y, const torch::Tensor& z, const torch::Tensor& matching) {
  const nn::FullPrecision guard;
  const torch::Tensor agreement = (dots(y, z) * matching).sum({1, 2}) / (matching.sum({1, 2}) + 1e-6);
  return -2 * agreement.mean();
}

torch::Tensor pixel_contrast(const torch::Tensor& x, const torch::Tensor& z, const torch::Tensor& matching, double tau) {
  const nn::FullPrecision guard;
  const torch::Tensor logits = dots(x, z) / tau, matched = matching.amax(2);
  // A cell without a match takes all cells for its positives: loss and gradient are exactly 0.
  const torch::Tensor positive = (matching > 0).logical_or(matched.unsqueeze(2) == 0);
  const torch::Tensor positives = logits.masked_fill(positive.logical_not(), -std::numeric_limits<double>::infinity());
  const torch::Tensor loss = torch::logsumexp(logits, 2) - torch::logsumexp(positives, 2);
  return (loss.sum(1) / matched.sum(1).clamp_min(1)).mean();
}

PixproNetwork::PixproNetwork(std::shared_ptr<nn::Backbone> network, const PixproOptions& options)
    : backbone(register_module("backbone", std::move(network))) {
  const std::vector<std::int64_t> dims = {nn::tap_channels(*backbone, "map"), options.hidden, options.dim};
  projector = register_module("projector", mlp(dims));
  if (options.instance_weight > 0) instance_projector = register_module("instance_projector", mlp(dims));
}

PixproNetwork::Cells PixproNetwork::forward(const torch::Tensor& x) {
  const torch::Tensor map = backbone->forward(x).map;
  Cells out{.pixels = nn::forward_cells(*projector, map), .instance = {}, .h = map.size(2), .w = map.size(3)};
  if (instance_projector) out.instance = nn::forward_cells(*instance_projector, map);
  return out;
}

void Pixpro::describe(core::Options& o) {
  o.group("PixPro");
  o.add("loss", &options_.loss, "consistency (PixPro), or contrast (PixContrast: InfoNCE over the cells of the image, no propagation)")
      .choices({"consistency", "contrast"});
  o.add("threshold", &options_.threshold,
        "T, cells of two views match when their centres are nearer than this, in diagonals of the larger cell")
      .range(0.01, 100);
  o.add("propagation", &options_.propagation, "the pixel propagation module; without it each cell stands for itself")
      .only_with("loss", {"consistency"});
  o.add("gamma", &options_.gamma, "gamma, power of the similarity by which cells are propagated").range(0, 100).only_with("propagation");
  o.add("value-layers", &options_.value_layers, "layers of g, what propagated cells go through: 0 (identity), 1 or 2")
      .range(0, 2)
      .only_with("propagation");
  o.add("temperature", &options_.temperature, "tau of InfoNCE").range(0.001, 10).only_with("loss", {"contrast"});
  o.add("instance-weight", &options_.instance_weight, "alpha, weight of the instance branch; 0: none").range(0, 1000);
  o.add("ema", &options_.momentum, "m, momentum of the target network at the start; rises to 1").range(0, 1);
  o.add("dim", &options_.dim, "output of the projectors").range(1, 1 << 16);
  o.add("hidden", &options_.hidden, "hidden width of projectors and predictor").range(1, 1 << 16);
  options_.views.describe(o);
}

std::vector<data::ViewSpec> Pixpro::views(std::int64_t image) const { return train::view_specs(options_.views.recipes(), image); }

void Pixpro::build(const train::Setup& setup) {
  const auto make = [&] { return std::make_shared<PixproNetwork>(nn::make_backbone(setup.backbone), options_); };
  online_ = register_module("online", make());
  target_ = register_module("target", make());
  nn::start_following(*target_, *online_);
  if (options_.propagation && options_.loss == "consistency")
    propagation_ = register_module("propagation", std::make_shared<PixelPropagation>(options_.dim, options_.value_layers, options_.gamma));
  if (options_.instance_weight > 0) predictor_ = register_module("predictor", mlp({options_.dim, options_.hidden, options_.dim}));
}

torch::Tensor Pixpro::query(const torch::Tensor& pixels) { return propagation_ ? propagation_->forward(pixels) : nn::unit_cells(pixels); }

torch::Tensor Pixpro::pixel_loss(const torch::Tensor& query, const torch::Tensor& target, const torch::Tensor& matching) const {
  // The two directions are added in PixPro (as released) and averaged in PixContrast (as the paper describes it).
  return options_.loss == "contrast" ? pixel_contrast(query, target, matching, options_.temperature) / 2
                                     : pixel_consistency(query, target, matching);
}

torch::Tensor Pixpro::instance_loss(const torch::Tensor& online, const torch::Tensor& target) {
  const torch::Tensor prediction = predictor_->forward(online.flatten(0, 1)).view_as(online).mean(1);
  return 2 * nn::negative_cosine(prediction, target.mean(1));
}

train::Outcome Pixpro::step(const train::Views& views, const train::Progress&) {
  // Each view goes through on its own: batch statistics are those of one kind of view.
  const auto first = online_->forward(views.x[0]), second = online_->forward(views.x[1]);
  PixproNetwork::Cells target1, target2;
  {
    const torch::NoGradGuard no_grad;
    target1 = target_->forward(views.x[0]);
    target2 = target_->forward(views.x[1]);
  }
  const torch::Tensor z1 = nn::unit_cells(target1.pixels), z2 = nn::unit_cells(target2.pixels);
  // In float64: neighbours of a square crop lie at 0.7071, near the published T.
  const auto boxes = [&](std::size_t view) { return nn::to_device(nn::crop_boxes(views.batch->views[view].geometry), z1.device()); };
  const torch::Tensor matching = matching_cells(boxes(0), boxes(1), first.h, first.w, options_.threshold).to(z1.scalar_type());
  train::Outcome out;
  out.loss = pixel_loss(query(first.pixels), z2, matching) + pixel_loss(query(second.pixels), z1, matching.transpose(1, 2));
  if (predictor_)
    out.loss = out.loss + options_.instance_weight *
                              (instance_loss(first.instance, target2.instance) + instance_loss(second.instance, target1.instance));
  out.embedding = first.pixels.flatten(0, 1);
  out.scalars["matched_images"] = matching.amax({1, 2}).mean();
  return out;
}

void Pixpro::after_update(const train::Progress& progress) {
  // The release moves the target at the beginning of step k by m(k): that is now, with the k of the next step.
  nn::ema_update(*target_, *online_, train::cosine(options_.momentum, 1.0, progress.next_share()));
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "pixpro",
    {.title = "PixPro",
     .paper =
         "Xie et al., Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual Representation Learning, CVPR 2021, "
         "arXiv 2011.10043",
     .summary = "Predict, from each cell of one view's map smoothed over cells like it, the target network's cell of the other view that "
                "shows the same spot.",
     .needs = "two views that overlap; judge it by dense features (ssl-dense), image-level probes do not show what it learns",
     .cost = "3.6 x the time, 1.1 x the memory",
     .profiles = {{"published",
                   {{"arch", "resnet50"},
                    {"zero-init-residual", true},
                    {"optimizer", "lars"},
                    {"lars-norm", "joint"},
                    {"lr", 1.0},
                    {"lr-batch", 256},
                    {"min-lr", 1e-6},
                    {"batch", 1024},
                    {"epochs", 100},
                    {"warmup-epochs", 5},
                    {"warmup-lr", 0.04},
                    {"weight-decay", 1e-5}}},
                  {"epochs400", {{"epochs", 400}}},
                  // ResNet-18 with CIFAR's stem makes 4 x 4 cells of 32 pixels: T = 0.4 reaches as far in the crop as 0.7 does among 7 x 7.
                  // With so few cells the instance branch is what probes of whole images see.
                  {"small",
                   {{"arch", "resnet18"},
                    {"zero-init-residual", false},
                    {"stem", "cifar"},
                    {"view-size", 0},
                    {"view-scale-min", 0.2},
                    {"view-blurs", {0.0, 0.0}},
                    {"view-solarizes", {0.0, 0.2}},
                    {"hidden", 1024},
                    {"threshold", 0.4},
                    {"instance-weight", 1.0},
                    {"lr", 1.0},  // by LARS, as published: with SGD all cells become one within some 20 updates
                    {"min-lr", 0.0},
                    {"batch", 256},
                    {"epochs", 200},
                    {"warmup-epochs", 2},
                    {"warmup-lr", 0.0}}}},
     .make = [] { return std::make_shared<Pixpro>(); }});
}  // namespace

}  // namespace selfsight::methods
