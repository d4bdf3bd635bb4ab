#include "methods/dae.h"

#include "nn/conv_encoder.h"
#include "nn/losses.h"
#include "nn/to_device.h"

#include <algorithm>
#include <cmath>

namespace selfsight::methods {

data::Recipe whole_image_recipe(std::int64_t size) {
  data::Recipe recipe;
  recipe.size = size;
  recipe.crop = "none";
  recipe.flip = 0;
  return recipe;
}

void Dae::describe(core::Options& o) {
  o.group("Denoising autoencoder");
  o.add("noise", &options_.noise, "standard deviation of the added noise, pixels being 0 to 1").range(0, 10);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Dae::views(std::int64_t image) const { return train::view_specs({options_.view}, image); }

DaeDecoder::DaeDecoder(std::int64_t code_channels, std::int64_t code_side, std::int64_t image_side, std::int64_t channels) {
  const auto doublings = std::lround(std::log2(static_cast<double>(image_side) / static_cast<double>(code_side)));
  std::int64_t in = code_channels;
  for (std::int64_t i = 0; i < doublings; ++i) {
    const std::int64_t shrunk = std::int64_t{1} << (doublings - 1 - i), out = std::max<std::int64_t>(1, code_channels >> i);
    sides_.push_back((image_side + shrunk - 1) / shrunk);
    convs_.push_back(register_module("conv" + std::to_string(i + 1), nn::keras_conv(in, out)));
    norms_.push_back(register_module("bn" + std::to_string(i + 1), nn::keras_norm(out)));
    in = out;
  }
  predict_ = register_module("predict", nn::keras_conv(in, channels));
}

torch::Tensor DaeDecoder::forward(torch::Tensor code) {
  for (std::size_t i = 0; i < convs_.size(); ++i) {
    code = at::upsample_nearest2d(code, {sides_[i], sides_[i]});
    code = norms_[i]->forward_relu(convs_[i](code));
  }
  return torch::sigmoid(predict_(code));
}

void Dae::build(const train::Setup& setup) {
  encoder_ = register_module("encoder", nn::make_backbone(setup.backbone));
  const std::int64_t channels = setup.backbone.channels, side = setup.backbone.image;
  const torch::Tensor code = nn::probe(*encoder_).map;
  decoder_ = register_module("decoder", std::make_shared<DaeDecoder>(code.size(1), code.size(2), side, channels));
  const auto per_channel = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat64).to(torch::kFloat32).view({1, -1, 1, 1}).to(setup.device);
  };
  mean_ = per_channel(setup.normalisation.mean);
  deviation_ = per_channel(setup.normalisation.stddev);
}

train::Outcome Dae::step(const train::Views& views, const train::Progress&) {
  const torch::Tensor& x = views.x[0];
  const torch::Tensor clean = x * deviation_ + mean_;
  // Drawn on the host, as all numbers of a step are: they do not depend on the device.
  const torch::Tensor noise =
      nn::to_device(ranks().own_rows(torch::randn_like(ranks().whole_like(x), torch::TensorOptions().device(torch::kCPU))), x.device());
  const nn::Features features = encoder_->forward(x + options_.noise * noise / deviation_);
  const torch::Tensor restored = nn::widened(decoder_->forward(features.map));
  train::Outcome out;
  out.loss = torch::mse_loss(restored, clean);
  out.embedding = features.pooled;
  return out;
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "dae", {.title = "Denoising autoencoder (G-SimCLR's)",
            .paper = "Chakraborty et al., G-SimCLR: Self-Supervised Contrastive Learning with Guided Projection via Pseudo Labelling, ICDM "
                     "workshops 2020, arXiv 2009.12007",
            .summary = "Encode a noised image, restore it without the noise; the mean of the code is what pseudo-labels are made from.",
            .needs = "one view",
            .cost = "2.5 x the time, 1.1 x the memory",
            // The released notebook for CIFAR-10: Adam as Keras has it, at a constant rate; early stopping ended it after 23 epochs.
            .profiles = {{"published",
                          {{"arch", "conv-encoder"},
                           {"optimizer", "adamw"},
                           {"adam-epsilon", 1e-7},
                           {"weight-decay", 0.0},
                           {"batch", 64},
                           {"epochs", 23},
                           {"lr", 1e-3},
                           {"lr-batch", 0},
                           {"schedule", "steps"}}},
                         {"small", {{"view-size", 0}}}},
            .make = [] { return std::make_shared<Dae>(); }});
}  // namespace

}  // namespace selfsight::methods
