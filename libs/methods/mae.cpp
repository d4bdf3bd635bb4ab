#include "methods/mae.h"

#include "nn/losses.h"
#include "nn/to_device.h"

#include <cmath>

namespace selfsight::methods {

void Mae::describe(core::Options& o) {
  o.group("MAE");
  o.add("mask-ratio", &options_.mask_ratio, "r, share of the patches that is removed").range(0, 0.99);
  o.add("normalise-target", &options_.normalise_target, "predict pixels normalised patch by patch");
  o.add("decoder-dim", &options_.decoder_dim, "width of the decoder").range(1, 1 << 16);
  o.add("decoder-depth", &options_.decoder_depth, "blocks of the decoder").range(0, 100);
  o.add("decoder-heads", &options_.decoder_heads, "attention heads of the decoder").range(1, 1024);
  o.group("Views");
  options_.view.describe(o, "view-");
}

std::vector<data::ViewSpec> Mae::views(std::int64_t image) const { return train::view_specs({options_.view}, image); }

Masking random_masking(const torch::Tensor& noise, double ratio) {
  const std::int64_t patches = noise.size(1);
  const auto kept = static_cast<std::int64_t>(static_cast<double>(patches) * (1.0 - ratio));
  const torch::Tensor shuffle = noise.argsort(/*stable=*/true, 1), restore = shuffle.argsort(/*stable=*/true, 1);
  return {shuffle.narrow(1, 0, kept), restore, (restore >= kept).to(torch::kFloat32)};
}

torch::Tensor mae_target(const torch::Tensor& images, std::int64_t patch, bool normalise) {
  torch::Tensor pixels = nn::patchify(images, patch);
  if (!normalise) return pixels;
  return (pixels - pixels.mean(-1, /*keepdim=*/true)) / (pixels.var(-1, /*unbiased=*/true, /*keepdim=*/true) + 1e-6).sqrt();
}

torch::Tensor mae_loss(const torch::Tensor& prediction, const torch::Tensor& target, const torch::Tensor& mask) {
  return ((prediction - target).square().mean(-1) * mask).sum() / mask.sum();
}

MaeDecoder::MaeDecoder(const MaeOptions& options, std::int64_t encoder_dim, std::int64_t grid, std::int64_t outputs) {
  embed_ = register_module("embed", torch::nn::Linear(encoder_dim, options.decoder_dim));
  mask_token_ = register_parameter("mask_token", torch::randn({1, 1, options.decoder_dim}) * 0.02);
  positions_ = register_buffer("positions", nn::sincos_positions(options.decoder_dim, grid, grid, /*class_token=*/true));
  register_module("blocks", blocks_);
  for (std::int64_t i = 0; i < options.decoder_depth; ++i)
    blocks_->push_back(std::make_shared<nn::Block>(options.decoder_dim, options.decoder_heads));
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.decoder_dim}).eps(1e-6)));
  predict_ = register_module("predict", torch::nn::Linear(options.decoder_dim, outputs));
  nn::xavier_linears(*this);
}

torch::Tensor MaeDecoder::assemble(const torch::Tensor& encoded, const torch::Tensor& restore) {
  const torch::Tensor tokens = embed_->forward(encoded);
  const std::int64_t batch = tokens.size(0), patches = restore.size(1), kept = tokens.size(1) - 1;
  const torch::Tensor masked = mask_token_.to(tokens.dtype()).expand({batch, patches - kept, -1});
  const torch::Tensor shuffled = torch::cat({tokens.slice(1, 1), masked}, 1);
  const torch::Tensor ordered = shuffled.gather(1, restore.unsqueeze(-1).expand({-1, -1, tokens.size(2)}));
  return torch::cat({tokens.slice(1, 0, 1), ordered}, 1) + positions_;
}

torch::Tensor MaeDecoder::forward(const torch::Tensor& encoded, const torch::Tensor& restore) {
  torch::Tensor x = assemble(encoded, restore);
  for (const auto& block : *blocks_) x = block->as<nn::Block>()->forward(x);
  return predict_->forward(norm_->forward(x)).slice(1, 1);
}

void Mae::build(const train::Setup& setup) {
  encoder_ = std::dynamic_pointer_cast<nn::Vit>(nn::make_backbone(setup.backbone));
  if (!encoder_ || !setup.backbone.class_token)
    core::fail(core::Exit::usage, "--arch {}: mae needs a vision transformer with a class token", setup.backbone.name);
  const std::int64_t grid = setup.backbone.image / setup.backbone.patch;
  if (static_cast<std::int64_t>(static_cast<double>(grid * grid) * (1.0 - options_.mask_ratio)) < 1)
    core::fail(core::Exit::usage, "--mask-ratio {}: leaves none of the {} patches", options_.mask_ratio, grid * grid);
  if (options_.mask_ratio == 0) core::fail(core::Exit::usage, "--mask-ratio 0: with nothing removed there is nothing to learn");
  nn::xavier_linears(*encoder_);
  register_module("encoder", encoder_);
  decoder_ =
      register_module("decoder", std::make_shared<MaeDecoder>(options_, encoder_->feature_dim(), grid,
                                                              setup.backbone.patch * setup.backbone.patch * setup.backbone.channels));
}

train::Outcome Mae::step(const train::Views& views, const train::Progress&) {
  const torch::Tensor& x = views.x[0];
  const torch::Tensor tokens = encoder_->embed(x);
  const torch::Tensor noise = ranks().own_rows(torch::rand({ranks().whole(tokens.size(0)), tokens.size(1)}));
  const Masking masking = random_masking(nn::to_device(noise, x.device()), options_.mask_ratio);
  const torch::Tensor visible = tokens.gather(1, masking.keep.unsqueeze(-1).expand({-1, -1, tokens.size(2)}));
  const torch::Tensor encoded = encoder_->encode(visible);
  const torch::Tensor prediction = nn::widened(decoder_->forward(encoded, masking.restore));
  train::Outcome out;
  out.loss = mae_loss(prediction, mae_target(x, encoder_->options().patch, options_.normalise_target), masking.mask);
  out.embedding = encoded.slice(1, 1).mean(1);
  return out;
}

namespace {
const bool registered = train::MethodRegistry::instance().add(
    "mae", {.title = "MAE",
            .paper = "He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377",
            .summary = "Encode a quarter of the patches, reconstruct the pixels of the rest with a light decoder.",
            .needs = "one view; a vision transformer",
            .cost = "0.4 x the time, 0.5 x the memory (on a small ViT)",
            .profiles = {{"published",
                          {{"arch", "vit-base"},
                           {"patch", 16},
                           {"positions", "sincos"},
                           {"pool", "mean"},
                           {"optimizer", "adamw"},
                           {"beta2", 0.95},
                           {"lr", 1.5e-4},
                           {"batch", 4096},
                           {"epochs", 800},
                           {"warmup-epochs", 40},
                           {"weight-decay", 0.05}}},
                         {"small",
                          {{"arch", "vit-tiny"},
                           {"patch", 4},
                           {"depth", 6},
                           {"pool", "mean"},
                           {"view-size", 0},
                           {"decoder-dim", 96},
                           {"decoder-depth", 2},
                           {"decoder-heads", 3},
                           {"lr", 1.5e-3},
                           {"batch", 256},
                           {"epochs", 200},
                           {"warmup-epochs", 5}}}},
            .make = [] { return std::make_shared<Mae>(); }});
}  // namespace

}  // namespace selfsight::methods
