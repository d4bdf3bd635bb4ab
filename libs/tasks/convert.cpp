#include "tasks/convert.h"

#include "core/error.h"
#include "core/log.h"
#include "nn/heads.h"
#include "nn/state.h"
#include "nn/tensor_view.h"
#include "train/tensors.h"
#include "weights/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <sstream>

namespace selfsight::tasks {

namespace {

weights::Shapes shapes_of(nn::Backbone& backbone) {
  weights::Shapes out;
  for (const auto& [name, tensor] : nn::named_state(backbone)) out.emplace(name, tensor.sizes().vec());
  return out;
}

struct Linear {
  torch::Tensor weight, bias;
};

// The linear layer on the features that torchvision, timm and others keep beside the network, if it is there.
std::optional<Linear> classifier_of(const ForeignWeights& weights, std::int64_t dim) {
  for (const char* name : {"fc", "classifier", "head", "_fc", "linear"}) {
    const auto weight = weights.tensors.find(weights.fit.prefix + name + ".weight"),
               bias = weights.tensors.find(weights.fit.prefix + name + ".bias");
    if (weight == weights.tensors.end() || bias == weights.tensors.end()) continue;
    const auto& shape = weight->second.shape;
    if (shape.size() == 2 && shape[1] == dim && bias->second.shape == std::vector<std::int64_t>{shape[0]})
      return Linear{nn::tensor_of(weight->second), nn::tensor_of(bias->second)};
  }
  return std::nullopt;
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size()));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > most ? ", ..." : "");
}

std::vector<double> numbers(const std::string& text, const std::string& option, std::size_t count, const std::vector<double>& usual) {
  if (text.empty()) return usual;
  std::vector<double> out;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    char* end = nullptr;
    out.push_back(std::strtod(part.c_str(), &end));
    if (part.empty() || *end != '\0') core::fail(core::Exit::usage, "--{} {}: '{}' is no number", option, text, part);
  }
  if (out.size() != count) core::fail(core::Exit::usage, "--{} {}: {} numbers for {} channels", option, text, out.size(), count);
  return out;
}

}  // namespace

void ConvertOptions::describe(core::Options& o) {
  backbone.describe(o);
  o.add("image", &backbone.image, "side of the input that the weights are for").range(1, 1 << 14);
  o.add("channels", &backbone.channels, "of the input").range(1, 64);
  o.add("method", &method, "what made the weights: reports call the model so").metavar("NAME");
  o.add("prefix", &prefix, "what stands before the network's keys in the file; auto: whatever fits best").metavar("TEXT");
  o.add("skip-objects", &skip_objects, "leave out objects of classes (settings of a run, say) instead of refusing the file");
  o.add("dry-run", &dry_run, "only tell what fits");
  o.add("mean", &mean, "of the normalisation, a number a channel on 0 to 1; default: ImageNet's").metavar("R,G,B");
  o.add("stddev", &stddev, "likewise").metavar("R,G,B");
}

ForeignWeights read_foreign(const std::filesystem::path& path, const ConvertOptions& options) {
  ForeignWeights out;
  const core::MappedFile start(path);
  if (weights::is_torch_file(start.bytes())) {
    const auto file =
        std::make_shared<weights::TorchFile>(path, options.skip_objects ? weights::Foreign::leave_out : weights::Foreign::refuse);
    out.tensors = file->rows();
    out.left_out = file->left_out();
    out.file = file;
  } else {
    const auto file = std::make_shared<manifest::Safetensors>(path);
    out.tensors = file->tensors();
    out.file = file;
  }
  weights::Shapes there;
  for (const auto& [key, view] : out.tensors) there.emplace(key, view.shape);
  const weights::Shapes ours = shapes_of(*nn::make_backbone(options.backbone));
  out.fit = options.prefix == "auto" ? weights::fit(ours, there) : weights::fit(ours, there, options.prefix);
  return out;
}

std::vector<std::string> told(const ForeignWeights& weights) {
  const weights::Fit& fit = weights.fit;
  std::vector<std::string> out = {fmt::format("{} tensors in the file; {} fit, behind the prefix '{}', named as {}", weights.tensors.size(),
                                              fit.pairs.size(), fit.prefix, fit.layout)};
  for (const auto& [name, key] : weights.left_out) out.push_back(fmt::format("left out: objects of {} (the first is '{}')", name, key));
  if (!fit.alternatives.empty()) out.push_back(fmt::format("as many fit behind: {}", listed(fit.alternatives)));
  if (!fit.missing.empty()) out.push_back(fmt::format("missing: {} ({})", fit.missing.size(), listed(fit.missing)));
  if (!fit.misshapen.empty()) out.push_back(fmt::format("of another shape: {} ({})", fit.misshapen.size(), listed(fit.misshapen)));
  if (!fit.unexpected.empty()) out.push_back(fmt::format("not used: {} ({})", fit.unexpected.size(), listed(fit.unexpected)));
  if (!fit.complete())
    out.emplace_back(fit.pairs.empty() ? "nothing fits: is --arch right?" : "not all fits: see --arch, --stem, --patch, --image, --prefix");
  return out;
}

manifest::Model convert(const ForeignWeights& weights, const ConvertOptions& options, const std::string& origin,
                        const std::filesystem::path& folder) {
  if (!weights.fit.complete())
    core::fail(core::Exit::bad_data, "{}: {} tensors of {} are missing and {} have another shape (--dry-run lists them)", origin,
               weights.fit.missing.size(), options.backbone.name, weights.fit.misshapen.size());
  const auto backbone = nn::make_backbone(options.backbone);
  nn::State state;
  const nn::State own = nn::named_state(*backbone);
  for (const auto& [ours, theirs] : weights.fit.pairs)
    state.emplace(ours, nn::tensor_of(weights.tensors.at(theirs)).reshape(own.at(ours).sizes()));
  nn::load_state(*backbone, state, /*strict=*/false, origin);

  const auto channels = static_cast<std::size_t>(options.backbone.channels);
  const train::Normalisation usual = train::usual_normalisation(options.backbone.channels);
  manifest::Model model;
  model.method = options.method;
  model.architecture = nn::to_json(backbone->options());
  model.weights.path = folder / "weights.safetensors";
  model.weights.digest = nn::save_tensors(model.weights.path, nn::named_state(*backbone));
  model.input = {options.backbone.image, options.backbone.image, options.backbone.channels};
  model.mean = numbers(options.mean, "mean", channels, usual.mean);
  model.stddev = numbers(options.stddev, "stddev", channels, usual.stddev);
  model.feature_dim = backbone->feature_dim();
  if (const auto classifier = classifier_of(weights, model.feature_dim)) {
    const manifest::File file{folder / "head-classifier.safetensors", ""};
    const nn::MlpOptions shape{.dims = {classifier->weight.size(1), classifier->weight.size(0)}};
    nn::Mlp head(shape);
    nn::load_state(head, {{"0.weight", classifier->weight}, {"0.bias", classifier->bias}}, /*strict=*/true, origin);
    const std::string digest = nn::save_tensors(file.path, nn::named_state(head));
    model.heads["classifier"] = {{"architecture", nn::to_json(shape)}, {"weights", {{"path", file.path.string()}, {"digest", digest}}}};
    core::log_info("{}: with its classifier of {} classes", origin, shape.dims.back());
  }
  model.config = manifest::Json::object();
  model.training = {{"converted from", origin}, {"prefix", weights.fit.prefix}, {"layout", weights.fit.layout}};
  return model;
}

}  // namespace selfsight::tasks
