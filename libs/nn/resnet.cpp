#include "nn/resnet.h"

#include "core/error.h"
#include "nn/init.h"

#include <algorithm>
#include <cmath>

namespace selfsight::nn {

namespace {

torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace

ResidualBlock::ResidualBlock(std::int64_t in, std::int64_t planes, std::int64_t stride, bool bottleneck) {
  const std::int64_t out = bottleneck ? planes * bottleneck_expansion : planes;
  conv1 = register_module("conv1", bottleneck ? conv(in, planes, 1, 1) : conv(in, planes, 3, stride));
  bn1 = register_module("bn1", BatchNorm(planes));
  conv2 = register_module("conv2", bottleneck ? conv(planes, planes, 3, stride) : conv(planes, planes, 3, 1));
  bn2 = register_module("bn2", BatchNorm(planes));
  if (bottleneck) {
    conv3 = register_module("conv3", conv(planes, out, 1, 1));
    bn3 = register_module("bn3", BatchNorm(out));
  }
  if (stride != 1 || in != out) downsample = register_module("downsample", torch::nn::Sequential(conv(in, out, 1, stride), BatchNorm(out)));
}

torch::Tensor ResidualBlock::forward(const torch::Tensor& x) {
  const torch::Tensor shortcut = downsample.is_empty() ? x : downsample->forward(x);
  const torch::Tensor y = bn1->forward_relu(conv1(x));
  if (conv3.is_empty()) return bn2->forward_relu(conv2(y), shortcut);
  return bn3->forward_relu(conv3(bn2->forward_relu(conv2(y))), shortcut);
}

torch::Tensor& ResidualBlock::last_gain() { return bn3.is_empty() ? bn2->weight : bn3->weight; }

ResNet::ResNet(BackboneOptions options, const ResNetShape& shape) : Backbone(std::move(options)) {
  const BackboneOptions& o = this->options();
  const auto channels = [&](std::int64_t count) { return std::max<std::int64_t>(1, std::llround(static_cast<double>(count) * o.width)); };
  std::int64_t in = channels(64);
  if (o.stem == "imagenet") {
    conv1 = register_module("conv1", conv(o.channels, in, 7, 2));
  } else if (o.stem == "cifar" || o.stem == "stride2") {
    conv1 = register_module("conv1", conv(o.channels, in, 3, o.stem == "cifar" ? 1 : 2));
  } else {
    core::fail(core::Exit::usage, "unknown stem '{}' (known: imagenet, cifar, stride2)", o.stem);
  }
  pool_ = o.stem == "imagenet";
  bn1 = register_module("bn1", BatchNorm(in));
  for (std::size_t stage = 0; stage < layers_.size(); ++stage) {
    const std::int64_t planes = channels(std::int64_t{64} << stage);
    auto list = register_module("layer" + std::to_string(stage + 1), torch::nn::ModuleList());
    for (std::int64_t i = 0; i < shape.blocks[stage]; ++i) {
      layers_[stage].push_back(std::make_shared<ResidualBlock>(in, planes, i == 0 && stage > 0 ? 2 : 1, shape.bottleneck));
      list->push_back(layers_[stage].back());
      in = shape.bottleneck ? planes * ResidualBlock::bottleneck_expansion : planes;
    }
    blocks_ += shape.blocks[stage];
  }
  dim_ = in;
  kaiming_convolutions(*this);  // as torchvision; BatchNorm starts at gain 1 and bias 0 by itself
  for (const auto& module : modules(/*include_self=*/false))
    if (auto* block = module->as<ResidualBlock>(); block && o.zero_init_residual) torch::nn::init::zeros_(block->last_gain());
}

Features ResNet::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  Features out;
  torch::Tensor y = bn1->forward_relu(conv1(x));
  if (pool_) y = torch::max_pool2d(y, 3, 2, 1);
  for (std::size_t stage = 0; stage < layers_.size(); ++stage) {
    for (const auto& block : layers_[stage]) y = block->forward(y);
    if (const std::string name = "layer" + std::to_string(stage + 1); taps.contains(name)) out.taps.emplace(name, y);
  }
  out.map = y;
  out.pooled = y.mean({2, 3});
  return out;
}

std::int64_t ResNet::depth_of(const std::string& parameter) const {
  std::int64_t before = 1;
  for (std::size_t stage = 0; stage < layers_.size(); ++stage) {
    const std::string prefix = "layer" + std::to_string(stage + 1) + ".";
    if (parameter.starts_with(prefix)) return before + std::stoll(parameter.substr(prefix.size()));
    before += static_cast<std::int64_t>(layers_[stage].size());
  }
  return 0;
}

namespace {

template <std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d, bool bottleneck>
std::shared_ptr<Backbone> make(const BackboneOptions& options) {
  return std::make_shared<ResNet>(options, ResNetShape{{a, b, c, d}, bottleneck});
}

// resnet10 is no published network: one basic block a stage, for small machines.
const bool registered = BackboneRegistry::instance().add("resnet10", make<1, 1, 1, 1, false>) &&
                        BackboneRegistry::instance().add("resnet18", make<2, 2, 2, 2, false>) &&
                        BackboneRegistry::instance().add("resnet34", make<3, 4, 6, 3, false>) &&
                        BackboneRegistry::instance().add("resnet50", make<3, 4, 6, 3, true>);

}  // namespace

}  // namespace selfsight::nn
