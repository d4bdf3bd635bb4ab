#include "nn/nin.h"

#include "nn/init.h"

#include <cmath>

namespace selfsight::nn {

NinBlock::NinBlock(std::int64_t in, const std::array<std::int64_t, 3>& channels, std::int64_t kernel) {
  for (std::size_t i = 0; i < channels.size(); ++i) {
    const std::int64_t k = i == 0 ? kernel : 1;
    const std::string number = std::to_string(i + 1);
    convs_[i] =
        register_module("conv" + number, torch::nn::Conv2d(torch::nn::Conv2dOptions(in, channels[i], k).padding(k / 2).bias(false)));
    norms_[i] = register_module("bn" + number, BatchNorm(channels[i]));
    in = channels[i];
  }
}

torch::Tensor NinBlock::forward(torch::Tensor x) {
  for (std::size_t i = 0; i < convs_.size(); ++i) x = norms_[i]->forward_relu(convs_[i](x));
  return x;
}

namespace {
std::string name_of(std::size_t block) { return "block" + std::to_string(block + 1); }
}  // namespace

Nin::Nin(BackboneOptions options, std::int64_t blocks) : Backbone(std::move(options)) {
  const auto channels = [&](std::int64_t count) { return scaled(count, this->options().width); };
  const std::int64_t wide = channels(192);
  std::int64_t in = this->options().channels;
  for (std::int64_t i = 0; i < blocks; ++i) {
    const auto shape = i == 0 ? std::array{wide, channels(160), channels(96)} : std::array{wide, wide, wide};
    blocks_.push_back(register_module(name_of(blocks_.size()), std::make_shared<NinBlock>(in, shape, i < 2 ? 5 : 3)));
    in = shape[2];
  }
  dim_ = in;
  // BatchNorm starts at gain 1 and bias 0 by itself.
  kaiming_convolutions(*this);
}

Features Nin::forward(const torch::Tensor& x, const Taps& taps) {
  check(x, taps);
  Features out;
  torch::Tensor y = x;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    y = blocks_[i]->forward(y);
    if (i == 0) y = torch::max_pool2d(y, 3, 2, 1);
    // As released: zeros of the padding count, so that means at the border are over nine too.
    if (i == 1) y = torch::avg_pool2d(y, 3, 2, 1, /*ceil_mode=*/false, /*count_include_pad=*/true);
    if (taps.contains(name_of(i))) out.taps.emplace(name_of(i), y);
  }
  out.map = y;
  out.pooled = y.mean({2, 3});
  return out;
}

std::int64_t Nin::depth_of(const std::string& parameter) const { return std::stoll(parameter.substr(std::string("block").size())); }

Taps Nin::taps() const {
  Taps out;
  for (std::size_t i = 0; i < blocks_.size(); ++i) out.insert(name_of(i));
  return out;
}

namespace {

template <std::int64_t blocks>
std::shared_ptr<Backbone> make(const BackboneOptions& options) {
  return std::make_shared<Nin>(options, blocks);
}

const bool registered = BackboneRegistry::instance().add("nin3", make<3>) && BackboneRegistry::instance().add("nin4", make<4>) &&
                        BackboneRegistry::instance().add("nin5", make<5>);

}  // namespace

}  // namespace selfsight::nn
