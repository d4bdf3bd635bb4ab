#include "nn/efficientnet.h"

#include <array>
#include <cmath>

namespace selfsight::nn {

namespace {

struct Stage {
  std::int64_t repeats, kernel, stride, expansion, channels;
};
// Table 1 of the paper: EfficientNet-B0 without the stem's and the head's rows.
constexpr std::array<Stage, 7> table = {
    {{1, 3, 1, 1, 16}, {2, 3, 2, 6, 24}, {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80}, {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320}}};

BatchNorm norm(std::int64_t channels) { return BatchNorm(BatchNormOptions{.channels = channels, .eps = 1e-3, .momentum = 0.01}); }

std::string stage_name(std::size_t stage) { return "stage" + std::to_string(stage + 1); }

}  // namespace

SameConv::SameConv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t groups)
    : kernel_(kernel), stride_(stride), groups_(groups) {
  // N(0, sqrt(2 / fan out)), as TensorFlow's original.
  const double fan_out = static_cast<double>(kernel * kernel * out) / static_cast<double>(groups);
  weight_ = register_parameter("weight", torch::randn({out, in / groups, kernel, kernel}) * std::sqrt(2.0 / fan_out));
}

torch::Tensor SameConv::forward(const torch::Tensor& x) {
  const auto padding = [&](std::int64_t side) {
    return std::max<std::int64_t>(((side + stride_ - 1) / stride_ - 1) * stride_ + kernel_ - side, 0);
  };
  const std::int64_t down = padding(x.size(2)), across = padding(x.size(3));
  const auto convolve = [&](const torch::Tensor& input, std::int64_t pad) {
    const std::array<std::int64_t, 2> strides = {stride_, stride_}, pads = {pad, pad}, dilation = {1, 1};
    return torch::conv2d(input, weight_, {}, torch::IntArrayRef(strides), torch::IntArrayRef(pads), torch::IntArrayRef(dilation), groups_);
  };
  if (down == across && down % 2 == 0) return convolve(x, down / 2);
  return convolve(torch::constant_pad_nd(x, {across / 2, across - across / 2, down / 2, down - down / 2}), 0);
}

InvertedResidual::InvertedResidual(std::int64_t in, std::int64_t out, std::int64_t expansion, std::int64_t kernel, std::int64_t stride)
    : shortcut_(stride == 1 && in == out) {
  const std::int64_t wide = in * expansion;
  const auto add = [&](const char* name, std::shared_ptr<SameConv> conv, std::int64_t channels) {
    convs_.push_back(register_module(name, std::move(conv)));
    norms_.push_back(register_module("bn" + std::to_string(norms_.size() + 1), norm(channels)));
  };
  if (expansion > 1) add("conv_pw", std::make_shared<SameConv>(in, wide, 1, 1), wide);
  add("conv_dw", std::make_shared<SameConv>(wide, wide, kernel, stride, wide), wide);
  add(expansion > 1 ? "conv_pwl" : "conv_pw", std::make_shared<SameConv>(wide, out, 1, 1), out);
}

torch::Tensor InvertedResidual::forward(const torch::Tensor& x) {
  torch::Tensor y = x;
  for (std::size_t i = 0; i < convs_.size(); ++i) {
    y = norms_[i](convs_[i]->forward(y));
    if (i + 1 < convs_.size()) y = torch::relu6(y);
  }
  return shortcut_ ? x + y : y;
}

EfficientNet::EfficientNet(BackboneOptions options) : Backbone(std::move(options)) {
  const auto channels = [&](std::int64_t count) { return scaled(count, this->options().width); };
  std::int64_t in = channels(32);
  dim_ = channels(1280);
  stem_ = register_module("conv_stem", std::make_shared<SameConv>(this->options().channels, in, 3, 2));
  stem_norm_ = register_module("bn1", norm(in));
  torch::nn::ModuleList blocks;
  for (const Stage& stage : table) {
    torch::nn::Sequential made;
    for (std::int64_t i = 0; i < stage.repeats; ++i) {
      made->push_back(InvertedResidual(in, channels(stage.channels), stage.expansion, stage.kernel, i == 0 ? stage.stride : 1));
      in = channels(stage.channels);
    }
    stages_.push_back(made);
    blocks->push_back(made);
  }
  register_module("blocks", blocks);
  head_ = register_module("conv_head", std::make_shared<SameConv>(in, dim_, 1, 1));
  head_norm_ = register_module("bn2", norm(dim_));
}

Features EfficientNet::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  Features out;
  torch::Tensor y = torch::relu6(stem_norm_(stem_->forward(x)));
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    y = stages_[i]->forward(y);
    if (taps.contains(stage_name(i))) out.taps.emplace(stage_name(i), y);
  }
  out.map = torch::relu6(head_norm_(head_->forward(y)));
  out.pooled = out.map.mean({2, 3});
  return out;
}

std::int64_t EfficientNet::depth_of(const std::string& parameter) const {
  const std::string blocks = "blocks.";
  if (parameter.starts_with(blocks)) return std::stoll(parameter.substr(blocks.size())) + 1;
  return parameter.starts_with("conv_stem") || parameter.starts_with("bn1") ? 0 : depth();
}

Taps EfficientNet::taps() const {
  Taps out;
  for (std::size_t i = 0; i < stages_.size(); ++i) out.insert(stage_name(i));
  return out;
}

namespace {

const bool registered = BackboneRegistry::instance().add(
    "efficientnet-lite0",
    [](const BackboneOptions& options) -> std::shared_ptr<Backbone> { return std::make_shared<EfficientNet>(options); });

}  // namespace

}  // namespace selfsight::nn
