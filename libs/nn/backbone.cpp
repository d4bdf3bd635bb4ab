#include "nn/backbone.h"

#include "core/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace selfsight::nn {

using nlohmann::json;

void BackboneOptions::describe(core::Options& o) {
  o.group("Backbone");
  o.add("arch", &name, "backbone").choices(BackboneRegistry::instance().names());
  o.add("stem", &stem, "ResNet: first layer; imagenet: 7x7 stride 2 and max pool, cifar: 3x3 stride 1, stride2: 3x3 stride 2")
      .choices({"imagenet", "cifar", "stride2"});
  o.add("width", &width, "convolutional networks: multiplier of all channel counts").range(0.01, 16);
  o.add("zero-init-residual", &zero_init_residual, "ResNet: residual branches start at 0");
  std::vector<std::string> vits = BackboneRegistry::instance().names();
  std::erase_if(vits, [](const std::string& arch) { return !arch.starts_with("vit"); });
  o.add("patch", &patch, "ViT: side of a patch in pixels").range(1, 1024).only_with("arch", vits);
  o.add("depth", &depth, "ViT: number of blocks; 0: as the name says").range(0, 1000).only_with("arch", vits);
  o.add("vit-dim", &dim, "ViT: width of the tokens; 0: as the name says").range(0, 1 << 16).only_with("arch", vits);
  o.add("vit-heads", &heads, "ViT: attention heads; 0: as the name says").range(0, 1024).only_with("arch", vits);
  o.add("drop-path", &drop_path, "ViT: rate of dropped residual branches in the last block, rising from 0 in the first")
      .range(0, 0.99)
      .only_with("arch", vits);
  o.add("positions", &positions, "ViT: position embeddings").choices({"learned", "sincos"}).only_with("arch", vits);
  o.add("position-offset", &position_offset, "ViT: 0.1 interpolates positions as DINO's released code does")
      .range(0, 1)
      .only_with("arch", vits);
  o.add("class-token", &class_token, "ViT: with a class token").only_with("arch", vits);
  o.add("pool", &pool, "ViT: what stands for the image, the class token or the mean of the patch tokens")
      .choices({"token", "mean"})
      .only_with("arch", vits);
}

namespace {

/// The one list of fields: calls visit(name, field) for each.
template <class Options, class Visit>
void each_field(Options& o, Visit visit) {
  visit("name", o.name);
  visit("channels", o.channels);
  visit("image", o.image);
  visit("stem", o.stem);
  visit("width", o.width);
  visit("zero_init_residual", o.zero_init_residual);
  visit("patch", o.patch);
  visit("depth", o.depth);
  visit("dim", o.dim);
  visit("heads", o.heads);
  visit("drop_path", o.drop_path);
  visit("positions", o.positions);
  visit("position_offset", o.position_offset);
  visit("class_token", o.class_token);
  visit("pool", o.pool);
}

}  // namespace

json to_json(const BackboneOptions& options) {
  json out = json::object();
  each_field(options, [&](const char* name, const auto& field) { out[name] = field; });
  return out;
}

BackboneOptions backbone_options(const json& architecture) {
  if (!architecture.is_object() || !architecture.contains("name"))
    core::fail(core::Exit::bad_data, "architecture: expected an object with a \"name\", got {}", architecture.dump());
  BackboneOptions options;
  each_field(options, [&](const char* name, auto& field) {
    if (!architecture.contains(name)) return;
    try {
      architecture.at(name).get_to(field);
    } catch (const json::exception&) {
      core::fail(core::Exit::bad_data, "architecture/{}: {} is not of the expected type", name, architecture.at(name).dump());
    }
  });
  return options;
}

void Backbone::check(const torch::Tensor& x, const Taps& wanted) const {
  if (x.dim() != 4 || x.size(1) != options_.channels)
    core::fail(core::Exit::bad_data, "{}: expected an input of N x {} x H x W, got [{}]", options_.name, options_.channels,
               fmt::join(x.sizes(), ", "));
  if (wanted.empty()) return;
  const Taps known = taps();
  for (const auto& tap : wanted)
    if (!known.contains(tap)) core::fail(core::Exit::usage, "{} has no layer '{}' (known: {})", options_.name, tap, fmt::join(known, ", "));
}

std::shared_ptr<Backbone> make_backbone(const BackboneOptions& options) {
  return BackboneRegistry::instance().find(options.name, "backbone")(options);
}

std::int64_t scaled(std::int64_t channels, double width) {
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(channels) * width));
}

Features probe(Backbone& backbone, const Taps& taps) {
  const torch::NoGradGuard no_grad;
  const bool was_training = backbone.is_training();
  backbone.eval();  // a look at shapes is not to move the norms
  const std::int64_t side = backbone.options().image;
  Features features =
      backbone.forward(torch::zeros({1, backbone.options().channels, side, side}, backbone.parameters().at(0).options()), taps);
  backbone.train(was_training);
  return features;
}

std::int64_t tap_channels(Backbone& backbone, const std::string& tap) {
  const torch::Tensor found = tap == "map" ? probe(backbone).map : probe(backbone, {tap}).taps.at(tap);
  return found.dim() == 4 ? found.size(1) : found.size(-1);
}

}  // namespace selfsight::nn
