#include "nn/alexnet.h"

#include "core/error.h"

namespace selfsight::nn {

namespace {

struct Layer {
  std::int64_t channels, kernel, stride, padding;
  bool pool;  ///< maximum of 3 x 3, stride 2, behind it
};
constexpr std::array<Layer, 5> layers = {
    {{64, 11, 4, 2, true}, {192, 5, 1, 2, true}, {384, 3, 1, 1, false}, {256, 3, 1, 1, false}, {256, 3, 1, 1, true}}};
constexpr std::int64_t hidden = 4096, least_image = 63;

/// Side of the map behind the last pool.
std::int64_t last_side(std::int64_t side) {
  for (const Layer& layer : layers) {
    side = (side + 2 * layer.padding - layer.kernel) / layer.stride + 1;
    if (layer.pool) side = (side - 3) / 2 + 1;
  }
  return side;
}

}  // namespace

AlexNet::AlexNet(BackboneOptions options) : Backbone(std::move(options)) {
  const BackboneOptions& o = this->options();
  if (o.image < least_image)
    core::fail(core::Exit::usage, "--arch {}: needs images of {} pixels or more, not {}", o.name, least_image, o.image);
  std::int64_t in = o.channels;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const std::int64_t out = scaled(layer.channels, o.width);
    const std::string name = "conv" + std::to_string(i + 1);
    convs_[i] = register_module(
        name, torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, layer.kernel).stride(layer.stride).padding(layer.padding)));
    norms_[i] = register_module(name + "_bn", BatchNorm(out));
    in = out;
  }
  const std::int64_t side = last_side(o.image), wide = scaled(hidden, o.width);
  fc1 = register_module("fc1", torch::nn::Linear(torch::nn::LinearOptions(in * side * side, wide).bias(false)));
  fc1_norm = register_module("fc1_bn", BatchNorm(wide));
  fc2 = register_module("fc2", torch::nn::Linear(torch::nn::LinearOptions(wide, wide).bias(false)));
  fc2_norm = register_module("fc2_bn", BatchNorm(wide));
}

Features AlexNet::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  const std::int64_t side = options().image;
  if (x.size(2) != side || x.size(3) != side)
    core::fail(core::Exit::bad_data, "{}: made for images of {} x {}, got {} x {}", options().name, side, side, x.size(2), x.size(3));
  Features out;
  torch::Tensor y = x;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    y = norms_[i]->forward_relu(convs_[i](y));
    if (const std::string name = "conv" + std::to_string(i + 1); taps.contains(name)) out.taps.emplace(name, y);
    if (layers[i].pool) y = torch::max_pool2d(y, 3, 2);
  }
  out.map = y;
  y = fc1_norm(fc1(y.flatten(1))).relu_();
  out.pooled = fc2_norm(fc2(y)).relu_();
  return out;
}

std::int64_t AlexNet::depth_of(const std::string& parameter) const {
  if (parameter.starts_with("fc")) return 5 + (parameter[2] - '0');
  return parameter[std::string("conv").size()] - '0';
}

namespace {
const bool registered = BackboneRegistry::instance().add(
    "alexnet", [](const BackboneOptions& options) -> std::shared_ptr<Backbone> { return std::make_shared<AlexNet>(options); });
}  // namespace

}  // namespace selfsight::nn
