#include "nn/conv_encoder.h"

#include "core/error.h"

namespace selfsight::nn {

torch::nn::Conv2d keras_conv(std::int64_t in, std::int64_t out) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, 3).padding(1));
  torch::nn::init::xavier_uniform_(conv->weight);
  torch::nn::init::zeros_(conv->bias);
  return conv;
}

BatchNorm keras_norm(std::int64_t channels) { return BatchNorm(BatchNormOptions{.channels = channels, .eps = 1e-3, .momentum = 0.01}); }

ConvEncoder::ConvEncoder(BackboneOptions options) : Backbone(std::move(options)) {
  std::int64_t in = this->options().channels;
  for (std::size_t i = 0; i < convs_.size(); ++i) {
    const std::int64_t out = scaled(std::int64_t{32} << i, this->options().width);
    const std::string number = std::to_string(i + 1);
    convs_[i] = register_module("conv" + number, keras_conv(in, out));
    norms_[i] = register_module("bn" + number, keras_norm(out));
    in = out;
  }
}

Features ConvEncoder::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  if (x.size(2) < 8 || x.size(3) < 8)
    core::fail(core::Exit::bad_data, "{}: needs images of 8 pixels or more, got {} x {}", options().name, x.size(2), x.size(3));
  Features out;
  torch::Tensor y = x;
  for (std::size_t i = 0; i < convs_.size(); ++i) {
    y = torch::max_pool2d(norms_[i]->forward_relu(convs_[i](y)), 2);
    if (const std::string name = "block" + std::to_string(i + 1); taps.contains(name)) out.taps.emplace(name, y);
  }
  out.map = y;
  out.pooled = y.mean({2, 3});
  return out;
}

std::int64_t ConvEncoder::depth_of(const std::string& parameter) const {
  return parameter[parameter.find_first_of("123")] - '0';  // conv1.weight, bn1.bias ...
}

namespace {
const bool registered = BackboneRegistry::instance().add(
    "conv-encoder", [](const BackboneOptions& options) -> std::shared_ptr<Backbone> { return std::make_shared<ConvEncoder>(options); });
}  // namespace

}  // namespace selfsight::nn
