#include "nn/vit.h"

#include "core/error.h"
#include "nn/to_device.h"

#include <cmath>
#include <optional>

namespace selfsight::nn {

torch::Tensor patchify(const torch::Tensor& x, std::int64_t p) {
  const std::int64_t n = x.size(0), c = x.size(1), h = x.size(2) / p, w = x.size(3) / p;
  if (h * p != x.size(2) || w * p != x.size(3))
    core::fail(core::Exit::usage, "images of {} x {} cannot be cut into patches of {}: sides must be multiples of it", x.size(2), x.size(3),
               p);
  return x.reshape({n, c, h, p, w, p}).permute({0, 2, 4, 3, 5, 1}).reshape({n, h * w, p * p * c});
}

torch::Tensor unpatchify(const torch::Tensor& tokens, std::int64_t p, std::int64_t c, std::int64_t h, std::int64_t w) {
  const std::int64_t n = tokens.size(0);
  if (h == 0) h = w = std::llround(std::sqrt(static_cast<double>(tokens.size(1))));
  if (h * w != tokens.size(1) || p * p * c != tokens.size(2))
    core::fail(core::Exit::internal, "unpatchify: [{}] is not {} x {} patches of {} x {} x {}", fmt::join(tokens.sizes(), ", "), h, w, p, p,
               c);
  return tokens.reshape({n, h, w, p, p, c}).permute({0, 5, 1, 3, 2, 4}).reshape({n, c, h * p, w * p});
}

torch::Tensor sincos_positions(std::int64_t dim, std::int64_t grid_h, std::int64_t grid_w, bool class_token) {
  if (dim % 4 != 0) core::fail(core::Exit::usage, "sin-cos positions need a width that is a multiple of 4, not {}", dim);
  const auto f64 = torch::TensorOptions().dtype(torch::kFloat64);
  const torch::Tensor omega = torch::pow(10000.0, -torch::arange(dim / 4, f64) / (static_cast<double>(dim) / 4.0));
  const auto axis = [&](std::int64_t size) {
    const torch::Tensor angle = torch::outer(torch::arange(size, f64), omega);
    return torch::cat({angle.sin(), angle.cos()}, 1);  // size x dim/2
  };
  const torch::Tensor column = axis(grid_w).unsqueeze(0).expand({grid_h, -1, -1}), row = axis(grid_h).unsqueeze(1).expand({-1, grid_w, -1});
  torch::Tensor out = torch::cat({column, row}, 2).reshape({1, grid_h * grid_w, dim});
  if (class_token) out = torch::cat({torch::zeros({1, 1, dim}, f64), out}, 1);
  return out.to(torch::kFloat32);
}

torch::Tensor interpolate_positions(const torch::Tensor& positions, std::int64_t from_h, std::int64_t from_w, std::int64_t to_h,
                                    std::int64_t to_w, double offset) {
  if (from_h == to_h && from_w == to_w) return positions;
  const std::int64_t dim = positions.size(2);
  const torch::Tensor grid = positions.reshape({1, from_h, from_w, dim}).permute({0, 3, 1, 2});
  std::optional<double> scale_h, scale_w;  // without them the scale is the ratio of the sizes
  if (offset > 0) {
    scale_h = (static_cast<double>(to_h) + offset) / static_cast<double>(from_h);
    scale_w = (static_cast<double>(to_w) + offset) / static_cast<double>(from_w);
  }
  return at::upsample_bicubic2d(grid, {to_h, to_w}, /*align_corners=*/false, scale_h, scale_w)
      .permute({0, 2, 3, 1})
      .reshape({1, to_h * to_w, dim});
}

void xavier_linears(torch::nn::Module& module) {
  for (const auto& child : module.modules(/*include_self=*/false))
    if (auto* linear = child->as<torch::nn::Linear>()) {
      torch::nn::init::xavier_uniform_(linear->weight);
      if (linear->bias.defined()) torch::nn::init::zeros_(linear->bias);
    }
}

torch::Tensor drop_path(const torch::Tensor& x, double rate, bool training, const dist::Ranks& ranks) {
  if (!training || rate <= 0) return x;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = ranks.whole(x.size(0));
  return x * to_device(ranks.own_rows(torch::empty(shape, x.scalar_type()).bernoulli_(1.0 - rate)), x.device()).div(1.0 - rate);
}

Attention::Attention(std::int64_t dim, std::int64_t heads) : heads_(heads) {
  if (heads < 1 || dim % heads != 0) core::fail(core::Exit::usage, "a width of {} cannot be split among {} attention heads", dim, heads);
  qkv = register_module("qkv", torch::nn::Linear(dim, 3 * dim));
  proj = register_module("proj", torch::nn::Linear(dim, dim));
}

torch::Tensor Attention::forward(const torch::Tensor& x, const AttentionTaps& taps) {
  const auto parts = qkv(x).unflatten(2, {3, heads_, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  const torch::Tensor &q = parts[0], &k = parts[1], &v = parts[2];
  if (taps.keys) *taps.keys = k;
  torch::Tensor y;
  if (taps.map) {
    *taps.map = torch::softmax(torch::matmul(q, k.transpose(-2, -1)) / std::sqrt(static_cast<double>(q.size(-1))), -1);
    y = torch::matmul(taps.map->to(v.dtype()), v);
  } else {
    y = at::scaled_dot_product_attention(q, k, v);
  }
  return proj(y.transpose(1, 2).flatten(2));
}

namespace {

torch::nn::LayerNorm layer_norm(std::int64_t dim) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(1e-6)); }

// The releases cut the distribution off at 2, a hundred deviations away: a plain normal distribution.
constexpr double init_stddev = 0.02;

}  // namespace

Block::Block(std::int64_t dim, std::int64_t heads, double drop_path, double mlp_ratio) : drop_path_(drop_path) {
  norm1 = register_module("norm1", layer_norm(dim));
  attn = register_module("attn", std::make_shared<Attention>(dim, heads));
  norm2 = register_module("norm2", layer_norm(dim));
  const auto hidden = static_cast<std::int64_t>(static_cast<double>(dim) * mlp_ratio);
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>("mlp"));  // there for the keys only
  fc1 = mlp->register_module("fc1", torch::nn::Linear(dim, hidden));
  fc2 = mlp->register_module("fc2", torch::nn::Linear(hidden, dim));
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* linear = module->as<torch::nn::Linear>()) {
      torch::nn::init::normal_(linear->weight, 0.0, init_stddev);
      torch::nn::init::zeros_(linear->bias);
    }
}

torch::Tensor Block::forward(const torch::Tensor& x, const AttentionTaps& taps) {
  const torch::Tensor y = x + nn::drop_path(attn->forward(norm1(x), taps), drop_path_, is_training(), ranks_);
  return y + nn::drop_path(fc2(torch::gelu(fc1(norm2(y)))), drop_path_, is_training(), ranks_);
}

Vit::Vit(BackboneOptions options) : Backbone(std::move(options)) {
  const BackboneOptions& o = this->options();
  if (o.patch < 1 || o.image < o.patch || o.image % o.patch != 0)
    core::fail(core::Exit::usage, "{}: the image size {} is no multiple of the patch size {}", o.name, o.image, o.patch);
  const bool fixed = o.positions == "sincos";
  if (!fixed && o.positions != "learned") core::fail(core::Exit::usage, "unknown positions '{}' (known: learned, sincos)", o.positions);
  const std::int64_t grid = o.image / o.patch;
  if (o.class_token) cls_token = register_parameter("cls_token", torch::randn({1, 1, o.dim}) * init_stddev);
  // Fixed positions are a buffer: saved and moved with the rest, but out of the optimizer's sight.
  pos_embed = fixed ? register_buffer("pos_embed", sincos_positions(o.dim, grid, grid, o.class_token))
                    : register_parameter("pos_embed", torch::randn({1, grid * grid + (o.class_token ? 1 : 0), o.dim}) * init_stddev);
  const auto patch_embed = register_module("patch_embed", std::make_shared<torch::nn::Module>("patch_embed"));  // there for the key only
  proj = patch_embed->register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(o.channels, o.dim, o.patch).stride(o.patch)));
  const auto list = register_module("blocks", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < o.depth; ++i) {
    const double rate = o.depth > 1 ? o.drop_path * static_cast<double>(i) / static_cast<double>(o.depth - 1) : o.drop_path;
    blocks_.push_back(std::make_shared<Block>(o.dim, o.heads, rate));
    list->push_back(blocks_.back());
  }
  norm = register_module("norm", layer_norm(o.dim));
  if (fixed) {  // MAE's positions come with MAE's initialisation
    xavier_linears(*this);
    const torch::NoGradGuard no_grad;
    torch::Tensor flat = torch::empty({o.dim, o.channels * o.patch * o.patch});
    proj->weight.copy_(torch::nn::init::xavier_uniform_(flat).view_as(proj->weight));
  }
}

torch::Tensor Vit::embed(const torch::Tensor& x) {
  const BackboneOptions& o = options();
  check(x, {});
  const std::int64_t h = x.size(2) / o.patch, w = x.size(3) / o.patch, grid = o.image / o.patch;
  if (h * o.patch != x.size(2) || w * o.patch != x.size(3) || h * w == 0)
    core::fail(core::Exit::bad_data, "{}: the sides of an input of {} x {} are no multiples of the patch size {}", o.name, x.size(2),
               x.size(3), o.patch);
  const torch::Tensor native = o.class_token ? pos_embed.slice(1, 1) : pos_embed;
  return proj(x).flatten(2).transpose(1, 2) + interpolate_positions(native, grid, grid, h, w, o.position_offset);
}

torch::Tensor Vit::blocks(const torch::Tensor& tokens, const Taps& wanted, std::map<std::string, torch::Tensor>* taps) {
  torch::Tensor x = tokens;
  if (options().class_token) x = torch::cat({(cls_token + pos_embed.slice(1, 0, 1)).expand_as(x.slice(1, 0, 1)), x}, 1);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string number = std::to_string(i);
    AttentionTaps inside;
    if (wanted.contains("attention-" + number)) inside.map = &(*taps)["attention-" + number];
    if (wanted.contains("keys-" + number)) inside.keys = &(*taps)["keys-" + number];
    x = blocks_[i]->forward(x, inside);
    if (wanted.contains("block-" + number)) taps->emplace("block-" + number, x);
  }
  return x;
}

Features Vit::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  Features out;
  const torch::Tensor raw = blocks(embed(x), taps, &out.taps), tokens = norm(raw);
  const std::int64_t first = options().class_token ? 1 : 0;
  const torch::Tensor patches = tokens.slice(1, first);
  // The mean is taken before the norm, as MAE's fine-tuning and timm's average pooling do.
  out.pooled = options().pool == "token" && options().class_token ? tokens.select(1, 0) : norm(raw.slice(1, first).mean(1));
  out.map = patches.transpose(1, 2).unflatten(2, {x.size(2) / options().patch, x.size(3) / options().patch});
  return out;
}

std::int64_t Vit::depth_of(const std::string& parameter) const {
  const std::string prefix = "blocks.";
  if (parameter.starts_with(prefix)) return 1 + std::stoll(parameter.substr(prefix.size()));
  return parameter.starts_with("norm.") ? depth() : 0;
}

Taps Vit::taps() const {
  Taps out;
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    for (const char* kind : {"block-", "attention-", "keys-"}) out.insert(kind + std::to_string(i));
  return out;
}

namespace {

template <std::int64_t dim, std::int64_t depth, std::int64_t heads>
std::shared_ptr<Backbone> make(const BackboneOptions& options) {
  BackboneOptions o = options;
  if (o.dim == 0) o.dim = dim;
  if (o.depth == 0) o.depth = depth;
  if (o.heads == 0) o.heads = heads;
  return std::make_shared<Vit>(std::move(o));
}

const bool registered = BackboneRegistry::instance().add("vit-tiny", make<192, 12, 3>) &&
                        BackboneRegistry::instance().add("vit-small", make<384, 12, 6>) &&
                        BackboneRegistry::instance().add("vit-base", make<768, 12, 12>);

}  // namespace

}  // namespace selfsight::nn
