// Backbones by name: what they take, what they give, which depths can be tapped.
#pragma once

#include "core/options.h"
#include "core/registry.h"
#include "libtorch.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>

namespace selfsight::nn {

/// What a backbone is built from; `describe` gives it to the command line, to_json/from_json to the model manifest.
struct BackboneOptions {
  /// resnet10, resnet18, resnet34, resnet50; vit-tiny, vit-small, vit-base; efficientnet-lite0; nin3, nin4, nin5; alexnet; conv-encoder.
  std::string name = "resnet50";
  std::int64_t channels = 3;  ///< of the input
  std::int64_t image = 224;   ///< side of the (square) input that a ViT's positions and AlexNet's last layers are made for
  // ResNet; width: every convolutional network
  std::string stem = "imagenet";    ///< "imagenet": 7x7 stride 2 + max pool; "cifar": 3x3 stride 1; "stride2": 3x3 stride 2, no pool
  double width = 1.0;               ///< multiplier of all channel counts (0.25: 16 to 128 for resnet18)
  bool zero_init_residual = false;  ///< last BN gain of each block starts at 0
  // ViT
  std::int64_t patch = 16;
  std::int64_t depth = 0, dim = 0, heads = 0;  ///< 0: as the name says (tiny 192/12/3, small 384/12/6, base 768/12/12)
  double drop_path = 0.0;
  std::string positions = "learned";  ///< or "sincos" (fixed, MAE)
  double position_offset = 0.0;       ///< 0.1: interpolate positions exactly as DINO's released code
  bool class_token = true;
  std::string pool = "token";  ///< what stands for the image: the class "token", or the "mean" of the patch tokens

  /// Adds all but channels and image, which follow from the data: --arch, --stem, --width, --patch ...
  void describe(core::Options& options);
};
nlohmann::json to_json(const BackboneOptions& options);
/// Fields that are absent keep their defaults, unknown ones are ignored. Error: bad_data for no object, no name or a wrong type.
BackboneOptions backbone_options(const nlohmann::json& architecture);

/// What a forward pass can be asked for beyond its features, by tap name: ResNet "layer1" .. "layer4", NIN "block1" .., AlexNet "conv1" ..
/// "conv5" (N x C x h x w maps); ViT "block-0" .. (N x T x D tokens after the block), "attention-I" (N x heads x T x T), "keys-I" (N x
/// heads x T x D/heads).
using Taps = std::set<std::string>;

struct Features {
  torch::Tensor pooled;  ///< N x D: average of `map`; ViT's class token or mean of patch tokens (`pool`) after the last norm; AlexNet's fc2
  torch::Tensor map;     ///< N x D x h x w (AlexNet: 256 channels): last feature map; a ViT's patch tokens after the last norm, as a map
  std::map<std::string, torch::Tensor> taps;
};

class Backbone : public torch::nn::Module {
 public:
  /// x: N x channels x H x W, normalised. Error: usage for a tap that is not there, bad_data for an input of the wrong shape.
  virtual Features forward(const torch::Tensor& x, const Taps& taps = {}) = 0;
  [[nodiscard]] virtual std::int64_t feature_dim() const = 0;
  /// Blocks in depth order with the parameters that belong to each, for layer-wise learning-rate decay and freezing.
  [[nodiscard]] virtual std::int64_t depth() const = 0;
  /// 0 for stem and embeddings, depth() for what comes after the last block.
  [[nodiscard]] virtual std::int64_t depth_of(const std::string& parameter) const = 0;
  /// The names that forward() can be asked for.
  [[nodiscard]] virtual Taps taps() const = 0;
  [[nodiscard]] const BackboneOptions& options() const { return options_; }

 protected:
  explicit Backbone(BackboneOptions options) : options_(std::move(options)) {}
  /// The checks that every family makes before its forward pass.
  void check(const torch::Tensor& x, const Taps& wanted) const;

 private:
  BackboneOptions options_;
};

/// A family registers each of its names from its own file.
using BackboneFactory = std::shared_ptr<Backbone> (*)(const BackboneOptions&);
using BackboneRegistry = core::Registry<BackboneFactory>;

/// Initialised from LibTorch's default generator: torch::manual_seed(seed) before it makes the weights a function of the seed.
/// Error: usage for an unknown name or options that do not fit together (image not a multiple of patch, dim not of heads).
std::shared_ptr<Backbone> make_backbone(const BackboneOptions& options);

/// `channels` times `width`, rounded, at least 1.
std::int64_t scaled(std::int64_t channels, double width);

/// What forward() gives for one black image of the backbone's own size, in eval mode (the mode is restored) and without gradient: for the
/// shapes of maps. Error: usage for a tap that is not there.
Features probe(Backbone& backbone, const Taps& taps = {});
/// Channels of a tap ("layer3") or of the last map ("map"). Error: likewise.
std::int64_t tap_channels(Backbone& backbone, const std::string& tap);

}  // namespace selfsight::nn
