#include "train/embed.h"

#include "core/error.h"
#include "core/progress.h"
#include "manifest/payload.h"
#include "nn/ema.h"
#include "nn/state.h"

#include <nlohmann/json.hpp>

#include <numeric>

namespace selfsight::train {

Pretrained load_pretrained(const manifest::Model& model) {
  Pretrained out;
  out.backbone = nn::make_backbone(nn::backbone_options(model.architecture));
  const std::filesystem::path weights = manifest::checked_payload(model.weights, "weights file", model.origin);
  nn::load_state(*out.backbone, nn::load_tensors(weights), /*strict=*/true, weights.string());
  out.backbone->eval();
  out.normalisation = {model.mean, model.stddev};
  out.size = model.input.at(0);
  return out;
}

std::shared_ptr<nn::Encoder<nn::Mlp>> load_encoder(const manifest::Model& model, const std::string& name) {
  const auto backbone = load_pretrained(model).backbone;
  if (!model.heads.contains(name))
    core::fail(core::Exit::bad_data, "{}: this model of {} comes without the head '{}'", model.origin, model.method, name);
  const auto& stored = model.heads.at(name);
  if (!stored.contains("architecture") || stored.at("architecture").value("name", "") != "mlp")
    core::fail(core::Exit::bad_data, "{}: the head '{}' does not say that it is an MLP, and of which widths", model.origin, name);
  const nn::MlpOptions shape = nn::mlp_options(stored.at("architecture"));
  if (shape.dims.empty() || shape.dims.front() != backbone->feature_dim())
    core::fail(core::Exit::bad_data, "{}: the head '{}' takes {} features, and its backbone gives {}", model.origin, name,
               shape.dims.empty() ? 0 : shape.dims.front(), backbone->feature_dim());
  const auto head = std::make_shared<nn::Mlp>(shape);
  const auto& file = stored.at("weights");
  const std::filesystem::path weights =
      manifest::checked_payload({file.at("path").get<std::string>(), file.value("digest", "")}, "weights of the head", model.origin);
  nn::load_state(*head, nn::load_tensors(weights), /*strict=*/true, weights.string());
  auto encoder = std::make_shared<nn::Encoder<nn::Mlp>>(backbone, head);
  nn::freeze(*encoder);
  encoder->eval();
  return encoder;
}

namespace {

/// One vector a sample from a map (N x C x h x w) or from tokens (N x T x D).
torch::Tensor as_vector(const torch::Tensor& tap, bool class_token) {
  if (tap.dim() == 2) return tap;
  if (tap.dim() == 4) return tap.mean({2, 3});
  return class_token ? tap.select(1, 0) : tap.mean(1);
}

}  // namespace

std::vector<torch::Tensor> forward_layers(nn::Backbone& backbone, const torch::Tensor& x, const std::vector<std::string>& layers) {
  nn::Taps taps(layers.begin(), layers.end());
  taps.erase("pooled");
  taps.erase("map");
  const nn::Features features = backbone.forward(x, taps);
  std::vector<torch::Tensor> out;
  for (const auto& layer : layers) {
    if (layer == "pooled")
      out.push_back(features.pooled);
    else if (layer == "map")
      out.push_back(features.map.mean({2, 3}));
    else
      out.push_back(as_vector(features.taps.at(layer), backbone.options().class_token));
  }
  return out;
}

torch::Tensor forward_layer(nn::Backbone& backbone, const torch::Tensor& x, const std::string& layer) {
  return forward_layers(backbone, x, {layer}).front();
}

namespace {

/// `view` with its last sample again and again, `count` in all. Done to the pixels: a tensor put together of two has other strides than one
/// of the loader's, and convolutions go other ways by them.
data::ViewBatch filled(data::ViewBatch view, std::int64_t count) {
  const std::vector<std::uint8_t> last(view.pixels.end() - static_cast<std::ptrdiff_t>(view.sample_bytes()), view.pixels.end());
  for (; view.count < count; ++view.count) view.pixels.insert(view.pixels.end(), last.begin(), last.end());
  return view;
}

}  // namespace

Embedded embed(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size,
               const std::shared_ptr<const data::Source>& source, const std::vector<std::int64_t>& indices, const torch::Device& device,
               const EmbedOptions& options) {
  return embed_layers(backbone, normalisation, size, source, indices, device, {options.layer}, options).front();
}

std::vector<Embedded> embed_layers(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size,
                                   const std::shared_ptr<const data::Source>& source, const std::vector<std::int64_t>& indices,
                                   const torch::Device& device, const std::vector<std::string>& layers, const EmbedOptions& options) {
  const torch::NoGradGuard no_grad;
  const bool was_training = backbone.is_training();
  backbone.eval();

  std::vector<std::int64_t> wanted = indices;
  if (wanted.empty()) {
    wanted.resize(static_cast<std::size_t>(source->size()));
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  // With fewer images than ranks every one of them embeds all.
  const bool shared = static_cast<std::int64_t>(wanted.size()) >= options.ranks.size();
  if (shared) {
    const auto [begin, end] = options.ranks.own_part(static_cast<std::int64_t>(wanted.size()));
    wanted = std::vector(wanted.begin() + begin, wanted.begin() + end);
  }
  const auto count = static_cast<std::int64_t>(wanted.size());
  data::EpochPlan plan = data::sequential_plan(count, options.batch);
  for (auto& batch : plan)
    for (auto& place : batch) place.sample = wanted[static_cast<std::size_t>(place.sample)];

  data::LoaderOptions loading;
  loading.workers = options.workers;
  loading.on_bad = options.on_bad;
  loading.max_bad = options.max_bad;
  data::Loader loader({source}, {{data::eval_recipe(size), false}}, 0, loading);
  loader.start(std::move(plan), 0);

  std::vector<torch::Tensor> features(layers.size());
  torch::Tensor labels = torch::empty({count}, torch::kInt64), index = torch::empty({count}, torch::kInt64);
  std::optional<core::Progress> progress;
  if (options.progress && options.ranks.first()) progress.emplace(options.title, count, "images");
  std::int64_t done = 0;
  while (const auto batch = loader.next()) {
    const data::ViewBatch& view = batch->views[0];
    const bool fill = options.fill && view.count < options.batch;
    const torch::Tensor x = to_tensor(fill ? filled(view, options.batch) : view, normalisation, device);
    const auto of_layers = forward_layers(backbone, x, layers);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const torch::Tensor rows = of_layers[layer].narrow(0, 0, batch->size()).to(torch::kCPU, torch::kFloat32);
      if (!features[layer].defined()) features[layer] = torch::empty({count, rows.size(1)});
      features[layer].narrow(0, done, rows.size(0)).copy_(rows);
    }
    labels.narrow(0, done, batch->size()).copy_(torch::tensor(batch->labels));
    index.narrow(0, done, batch->size()).copy_(torch::tensor(batch->samples));
    done += batch->size();
    if (progress) progress->advance(batch->size());
  }
  backbone.train(was_training);
  if (shared && !options.ranks.alone()) {
    for (auto& part : features) part = options.ranks.gather_parts(part);
    for (torch::Tensor* part : {&labels, &index}) *part = options.ranks.gather_parts(*part);
  }
  std::vector<Embedded> out;
  for (const auto& of_layer : features) out.push_back({of_layer, labels, index});
  return out;
}

}  // namespace selfsight::train
