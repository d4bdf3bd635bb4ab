#include "tasks/convert.h"

#include "core/error.h"
#include "core/lists.h"
#include "core/log.h"
#include "nn/heads.h"
#include "nn/state.h"
#include "nn/tensor_view.h"
#include "train/save_head.h"
#include "train/tensors.h"
#include "weights/torch_file.h"

#include <fmt/format.h>

namespace selfsight::tasks {

namespace {

weights::Shapes shapes_of(nn::Backbone& backbone) {
  weights::Shapes out;
  for (const auto& [name, tensor] : nn::named_state(backbone)) out.emplace(name, tensor.sizes().vec());
  return out;
}

}  // namespace

void ConvertOptions::describe(core::Options& o) {
  backbone.describe(o);
  o.add("image", &backbone.image, "side of the input that the weights are for").range(1, 1 << 14);
  o.add("channels", &backbone.channels, "of the input").range(1, 64);
  o.add("method", &method, "what made the weights: reports call the model so").metavar("NAME");
  o.add("prefix", &prefix,
        "what stands before the network's keys in the file; auto: what a checkpoint says of itself, else whatever fits best")
      .metavar("TEXT");
  o.add("skip-objects", &skip_objects, "leave out objects of classes (settings of a run, say) instead of refusing the file");
  o.add("dry-run", &dry_run, "only tell what fits");
  o.add("classifier", &classifier,
        "keep the linear layer of this key behind the prefix (fc, head) too, for ssl-linear --protocol classifier")
      .metavar("KEY");
  o.add("mean", &mean, "of the normalisation, a number a channel on 0 to 1; none: ImageNet's").range(-1000, 1000);
  o.add("stddev", &stddev, "likewise").range(1e-6, 1000);
}

void ConvertOptions::check() const {
  for (const auto& [name, values] : {std::pair{"mean", &mean}, std::pair{"stddev", &stddev}})
    if (!values->empty() && static_cast<std::int64_t>(values->size()) != backbone.channels)
      core::fail(core::Exit::usage, "--{}: {} numbers for {} channels", name, values->size(), backbone.channels);
}

ForeignWeights read_foreign(const std::filesystem::path& path, const ConvertOptions& options) {
  ForeignWeights out;
  std::string prefix = options.prefix;
  const core::MappedFile start(path);
  if (weights::is_torch_file(start.bytes())) {
    const auto file =
        std::make_shared<weights::TorchFile>(path, options.skip_objects ? weights::Foreign::leave_out : weights::Foreign::refuse);
    for (const auto& [key, tensor] : file->tensors()) out.shapes.emplace(key, tensor.shape);
    out.left_out = file->left_out();
    out.tensor = [file](const std::string& key) { return file->row_by_row(key); };
  } else {
    const auto file = std::make_shared<manifest::Safetensors>(path);
    for (const auto& [key, tensor] : file->tensors()) out.shapes.emplace(key, tensor.shape);
    out.tensor = [file](const std::string& key) { return file->at(key); };
    // A checkpoint of ours says which of its networks the run is for: no rule for names could tell.
    if (const auto own = file->metadata().find("selfsight.network"); prefix == "auto" && own != file->metadata().end())
      prefix = own->second;
  }
  const weights::Shapes ours = shapes_of(*nn::make_backbone(options.backbone));
  out.fit = prefix == "auto" ? weights::fit(ours, out.shapes) : weights::fit(ours, out.shapes, prefix);
  return out;
}

std::vector<std::string> told(const ForeignWeights& weights) {
  const weights::Fit& fit = weights.fit;
  std::vector<std::string> out = {fmt::format("{} tensors in the file; {} fit, behind the prefix '{}', named as {}", weights.shapes.size(),
                                              fit.pairs.size(), fit.prefix, fit.layout)};
  for (const auto& [name, key] : weights.left_out) out.push_back(fmt::format("left out: objects of {} (the first is '{}')", name, key));
  if (!fit.alternatives.empty()) out.push_back(fmt::format("as many fit behind: {}", core::some_of(fit.alternatives)));
  if (!fit.missing.empty()) out.push_back(fmt::format("missing: {} ({})", fit.missing.size(), core::some_of(fit.missing)));
  if (!fit.misshapen.empty()) out.push_back(fmt::format("of another shape: {} ({})", fit.misshapen.size(), core::some_of(fit.misshapen)));
  if (!fit.unexpected.empty()) out.push_back(fmt::format("not used: {} ({})", fit.unexpected.size(), core::some_of(fit.unexpected)));
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
    state.emplace(ours, nn::tensor_of(weights.tensor(theirs), theirs).reshape(own.at(ours).sizes()));
  nn::load_state(*backbone, state, /*strict=*/false, origin);

  const train::Normalisation usual = train::usual_normalisation(options.backbone.channels);
  manifest::Model model;
  model.method = options.method;
  model.architecture = nn::to_json(backbone->options());
  model.weights.path = folder / "weights.safetensors";
  model.weights.digest = nn::save_tensors(model.weights.path, nn::named_state(*backbone));
  model.input = {options.backbone.image, options.backbone.image, options.backbone.channels};
  model.mean = options.mean.empty() ? usual.mean : options.mean;
  model.stddev = options.stddev.empty() ? usual.stddev : options.stddev;
  model.feature_dim = backbone->feature_dim();
  std::filesystem::remove(train::head_file(folder, "classifier"));  // of an earlier conversion into this folder
  if (!options.classifier.empty()) {
    const std::string key = weights.fit.prefix + options.classifier;
    const auto weight = weights.shapes.find(key + ".weight"), bias = weights.shapes.find(key + ".bias");
    if (weight == weights.shapes.end() || bias == weights.shapes.end() || weight->second.size() != 2 ||
        weight->second[1] != model.feature_dim || bias->second != std::vector<std::int64_t>{weight->second[0]})
      core::fail(core::Exit::bad_data, "{}: '{}' is no linear layer with a bias on {} features", origin, key, model.feature_dim);
    const nn::MlpOptions shape{.dims = {model.feature_dim, weight->second[0]}};
    nn::Mlp head(shape);
    nn::load_state(head,
                   {{"0.weight", nn::tensor_of(weights.tensor(weight->first), weight->first)},
                    {"0.bias", nn::tensor_of(weights.tensor(bias->first), bias->first)}},
                   /*strict=*/true, origin);
    model.heads["classifier"] = train::save_head(folder, "classifier", head);
    core::log_info("{}: with its classifier of {} classes", origin, shape.dims.back());
  }
  model.config = manifest::Json::object();
  model.training = {{"converted from", origin}, {"prefix", weights.fit.prefix}, {"layout", weights.fit.layout}};
  return model;
}

}  // namespace selfsight::tasks
