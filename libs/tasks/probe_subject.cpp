#include "tasks/probe_subject.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/check.h"
#include "manifest/safetensors.h"
#include "nn/state.h"
#include "tasks/embed_shards.h"
#include "tasks/headed.h"
#include "train/from_first.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <optional>

namespace selfsight::tasks {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t most_pixels_a_side = 64;  ///< a linear classifier on more pixels says little and takes gigabytes

nn::BackboneOptions pixel_options(std::int64_t channels, std::int64_t size) {
  nn::BackboneOptions options;
  options.name = "pixels";
  options.channels = channels;
  options.image = size;
  return options;
}

/// What a baseline shares with the model it is compared to: the form of the input and the data.
manifest::Json baseline_manifest(const manifest::Model& model, const std::string& name) {
  manifest::Model out = model;
  out.method = name;
  out.weights = {};
  out.heads = manifest::Json::object();
  out.training = out.config = nullptr;
  out.extra = nullptr;
  out.inputs.clear();
  out.tool = manifest::Json::object();
  return to_json(out, out.folder);
}

/// Of contiguous tensors: features, labels, index.
std::vector<std::span<const std::byte>> bytes_of(const train::Embedded& embedded) {
  std::vector<std::span<const std::byte>> out;
  for (const torch::Tensor* tensor : {&embedded.features, &embedded.labels, &embedded.index})
    out.emplace_back(static_cast<const std::byte*>(tensor->const_data_ptr()), tensor->nbytes());
  return out;
}

/// Whether the features in `file` say that they are those of `key`.
bool has_key(const fs::path& file, const std::string& key) {
  if (key.empty() || !fs::exists(file)) return false;
  try {
    const auto metadata = manifest::Safetensors(file).metadata();
    const auto it = metadata.find("key");
    return it != metadata.end() && it->second == key && metadata.contains("content");
  } catch (const core::Error&) {
    return false;
  }
}

/// The features in `file` if they are those of `key`, and whole.
std::optional<train::Embedded> stored_features(const fs::path& file, const std::string& key) {
  if (key.empty() || !fs::exists(file)) return std::nullopt;
  try {
    const auto metadata = manifest::Safetensors(file).metadata();
    if (const auto it = metadata.find("key"); it == metadata.end() || it->second != key || !metadata.contains("content"))
      return std::nullopt;
    nn::State state = nn::load_tensors(file);
    train::Embedded out{state.at("features"), state.at("labels"), state.at("index")};
    if (features_metadata(key, bytes_of(out)) == metadata) return out;
    core::log_warning("{}: is damaged (its content is not what was written); these features are computed again", file.string());
    std::error_code ignored;
    fs::remove(file, ignored);
  } catch (const core::Error& error) {
    core::log_warning("{}; these features are computed again", error.what());
  }
  return std::nullopt;
}

}  // namespace

std::string model_identity(const manifest::Model& model, const std::string& layer) {
  if (model.weights.digest.empty()) return "";
  manifest::Json facts = {{"weights", model.weights.digest},
                          {"architecture", model.architecture},
                          {"mean", model.mean},
                          {"stddev", model.stddev},
                          {"input", model.input},
                          {"layer", layer}};
  if (const auto head = head_layer(model, layer)) {
    const std::string digest = model.heads.at(head->head).at("weights").value("digest", "");
    if (digest.empty()) return "";
    facts["head"] = digest;
  }
  return core::digest_of(std::string_view(facts.dump()));
}

std::string features_key(const std::string& identity, const OpenSplit& split) {
  if (identity.empty() || split.digest.empty()) return "";
  std::string parts = identity + split.name + split.digest;
  for (const auto& item : split.left_out) parts += fmt::format(" -{}", item.sample);
  if (split.shard) parts += fmt::format(" shard {}/{}", split.shard->index, split.shard->count);
  return core::digest_of(std::string_view(parts));
}

std::map<std::string, std::string> features_metadata(const std::string& key, const std::vector<std::span<const std::byte>>& content) {
  if (key.empty()) return {};
  core::Digest digest;
  for (const auto& bytes : content) digest.add(bytes);
  return {{"key", key}, {"content", digest.finish()}};
}

PixelBackbone::PixelBackbone(std::int64_t channels, std::int64_t size) : Backbone(pixel_options(channels, size)) {}

nn::Features PixelBackbone::forward(const torch::Tensor& x, const nn::Taps&) {
  nn::Features out;
  out.pooled = x.flatten(1);
  out.map = x;
  return out;
}

Subject model_subject(const manifest::Model& model, const std::string& layer) {
  const auto head = head_layer(model, layer);
  train::Pretrained network;
  if (head)
    network = {headed_model(model, *head), {model.mean, model.stddev}, model.input.at(0)};
  else
    network = train::load_pretrained(model);
  return {model.method,
          std::move(network),
          layer,
          model_identity(model, layer),
          to_json(model, model.folder),
          /*baseline=*/false,
          /*of_head=*/head.has_value()};
}

Subject untrained_subject(const manifest::Model& model, const std::string& layer, std::uint64_t seed) {
  const auto head = head_layer(model, layer);
  torch::manual_seed(seed);
  std::shared_ptr<nn::Backbone> network;
  if (head)
    network = headed_untrained(model, *head);
  else
    network = nn::make_backbone(nn::backbone_options(model.architecture));
  Subject out{
      "untrained", {std::move(network), {model.mean, model.stddev}, model.input.at(0)}, layer, "", baseline_manifest(model, "untrained")};
  out.of_head = head.has_value();
  out.network.backbone->eval();
  return out;
}

Subject pixel_subject(const manifest::Model& model) {
  const std::int64_t channels = model.input.at(2), size = std::min(model.input.at(0), most_pixels_a_side);
  const std::vector<double> none(static_cast<std::size_t>(channels), 0.0), one(static_cast<std::size_t>(channels), 1.0);
  Subject out{
      "pixels", {std::make_shared<PixelBackbone>(channels, size), {none, one}, size}, "pixels", "", baseline_manifest(model, "pixels")};
  out.model["architecture"] = {{"name", "pixels"}, {"image", size}, {"channels", channels}};
  out.model["feature_dim"] = out.network.backbone->feature_dim();
  out.model["input"] = {size, size, channels};
  return out;
}

void BadPolicy::describe(core::Options& options) {
  options.add("on-bad", &on_bad, "an image that cannot be decoded ends the work (fail), or is left out and listed (skip)")
      .choices({"fail", "skip"});
  options.add("max-bad", &max_bad, "share of bad images that is still accepted").range(0, 1).only_with("on-bad", {"skip"});
}

namespace {

/// Looks at every image of `split` and leaves out what cannot be decoded. Of a shard it is known by its merging only whether the whole
/// split has too many; more in it alone than in the whole are too many in any case.
void leave_out_bad(OpenSplit& split, const std::string& origin, double most) {
  core::Progress progress("looking for bad images in " + split.name, split.source->size(), "images");
  std::mutex mutex;
  split.left_out = data::find_bad(*split.source, core::default_threads(), [&](std::int64_t done) {
    const std::lock_guard lock(mutex);
    progress.advance(done);
  });
  progress.finish();
  if (split.left_out.empty()) return;
  for (const auto& item : split.left_out) core::log_warning("left out: {}", item.reason);
  check_bad_share(static_cast<std::int64_t>(split.left_out.size()), split.shard ? split.shard->samples : split.source->size(), most, origin,
                  split.name);
  std::vector<std::int64_t> rows, places;
  std::size_t next = 0;
  for (std::int64_t i = 0; i < split.source->size(); ++i) {
    const std::int64_t place = split.kept.empty() ? i : split.kept[static_cast<std::size_t>(i)];
    if (next < split.left_out.size() && split.left_out[next].sample == i) {
      split.left_out[next++].sample = place;
    } else {
      rows.push_back(i);
      places.push_back(place);
    }
  }
  split.source = data::part_of(split.source, std::move(rows));
  split.kept = std::move(places);
}

/// Cuts `split` down to its shard.
void take_shard(OpenSplit& split) {
  manifest::Shard& shard = *split.shard;
  shard.samples = split.source->size();
  if (shard.count > shard.samples)
    core::fail(core::Exit::usage, "--shard {}/{}: the split '{}' has only {} images; make no more shards than that", shard.index,
               shard.count, split.name, shard.samples);
  const SampleRange range = range_of(shard);
  split.kept.resize(static_cast<std::size_t>(range.end - range.begin));
  std::iota(split.kept.begin(), split.kept.end(), range.begin);
  split.source = data::part_of(split.source, split.kept);
}

}  // namespace

manifest::Json left_out_json(const std::vector<const OpenSplit*>& splits) {
  manifest::Json out = manifest::Json::array();
  for (const OpenSplit* split : splits)
    for (const auto& item : split->left_out) out.push_back({{"split", split->name}, {"name", item.name}, {"reason", item.reason}});
  return out;
}

void check_layer(const Subject& subject) {
  if (subject.layer == "pooled" || subject.layer == "map" || subject.layer == "pixels") return;
  nn::Taps known = subject.network.backbone->taps();
  // Attention maps and keys are not one vector an image.
  std::erase_if(known, [](const std::string& tap) { return tap.starts_with("attention-") || tap.starts_with("keys-"); });
  if (known.contains(subject.layer)) return;
  const auto heads = subject.model.value("heads", manifest::Json::object());
  for (const auto& [name, head] : heads.items())
    for (std::size_t i = 1; head.contains("architecture") && i < head.at("architecture").value("dims", manifest::Json::array()).size(); ++i)
      known.insert(HeadLayer{name, static_cast<std::int64_t>(i)}.name());
  core::fail(core::Exit::usage, "--layer {}: {} has no such layer (known: pooled, map, {})", subject.layer, subject.name,
             fmt::join(known, ", "));
}

void check_bad_share(std::int64_t bad, std::int64_t all, double most, const std::string& origin, const std::string& split) {
  if (static_cast<double>(bad) > most * static_cast<double>(all))
    core::fail(core::Exit::bad_data, "{}: {} of {} images of split '{}' are bad, more than the share of {} that --max-bad accepts", origin,
               bad, all, split, most);
}

OpenSplit open_split(const manifest::Dataset& dataset, const std::string& name, const Subject& subject, const BadPolicy& policy,
                     const std::optional<manifest::Shard>& shard) {
  const manifest::Split& split = dataset.split(name);
  OpenSplit out{name, data::open_split(split), split.labels, split.digest, {}, {}, shard};
  if (out.source->size() == 0) core::fail(core::Exit::bad_data, "{}: the split '{}' has no images", dataset.origin, name);
  const std::int64_t channels = subject.network.backbone->options().channels;
  if (out.source->channels() != channels)
    core::fail(core::Exit::bad_data, "{}: the images of split '{}' have {} channel(s), but the model '{}' takes {}", dataset.origin, name,
               out.source->channels(), subject.name, channels);
  if (shard) take_shard(out);
  if (policy.on_bad == "skip") {
    if (shard) out.shard->max_bad = policy.max_bad;
    leave_out_bad(out, dataset.origin, policy.max_bad);
  }
  if (out.source->size() == 0)
    core::fail(core::Exit::bad_data, "{}: {} has no good image", dataset.origin,
               shard ? fmt::format("shard {}/{} of split '{}'", shard->index, shard->count, name) : fmt::format("the split '{}'", name));
  return out;
}

train::EmbedOptions EmbedRun::options() const {
  train::EmbedOptions out;
  out.batch = batch;
  out.workers = workers;
  out.fill = fill;
  out.ranks = ranks;
  return out;
}

std::vector<train::Embedded> embed_split(const Subject& subject, const OpenSplit& split, const EmbedRun& run,
                                         const std::vector<std::string>& layers) {
  train::check_alike({{"images", split.source->size()}, {"left out", left_out_json({&split})}}, run.ranks);
  train::EmbedOptions options = run.options();
  options.progress = true;
  options.title = subject.name + ": features of " + split.name;
  nn::Backbone& network = *subject.network.backbone;
  network.to(run.device);
  auto out =
      train::embed_layers(network, subject.network.normalisation, subject.network.size, split.source, {}, run.device, layers, options);
  for (auto& embedded : out) {
    if (!split.kept.empty()) embedded.index = torch::tensor(split.kept, torch::kInt64).index_select(0, embedded.index);
    const torch::Tensor wrong = torch::isfinite(embedded.features).all(1).logical_not_().nonzero();
    if (wrong.size(0) == 0) continue;
    const std::int64_t row = wrong[0].item<std::int64_t>();
    core::fail(core::Exit::bad_data, "{}: the features of {} (and {} more) are not finite: the weights are damaged or training diverged",
               subject.name, split.source->name(row), wrong.size(0) - 1);
  }
  return out;
}

train::Embedded embed_split(const Subject& subject, const OpenSplit& split, const EmbedRun& run) {
  return embed_split(subject, split, run, {subject.tap()}).front();
}

FeatureStore::FeatureStore(const std::vector<Subject>& subjects, fs::path folder, const EmbedRun& run, bool reuse)
    : subjects_(subjects), folder_(std::move(folder)), run_(run), reuse_(reuse) {}

fs::path FeatureStore::file_of(const Subject& subject, const OpenSplit& split) const {
  return folder_ / fmt::format("features-{}-{}-{}.safetensors", subject.name, split.name, subject.layer);
}

bool FeatureStore::keep(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded) const {
  if (!reuse_ || features_key(subject.identity, split).empty()) return false;
  const bool kept = run_.ranks.first() && static_cast<std::uint64_t>(embedded.features.nbytes()) < core::free_space(folder_) / 2;
  if (kept) store_features(subject, split, embedded, file_of(subject, split));
  return train::first_says(kept, run_.ranks);
}

/// What the first rank has in its folder, for all.
std::optional<train::Embedded> FeatureStore::find(const Subject& subject, const OpenSplit& split) const {
  const std::string key = features_key(subject.identity, split);
  if (!reuse_ || key.empty()) return std::nullopt;
  std::optional<train::Embedded> stored;
  if (run_.ranks.first()) stored = stored_features(file_of(subject, split), key);
  if (!train::first_says(stored.has_value(), run_.ranks)) return std::nullopt;
  train::Embedded out = stored.value_or(train::Embedded());
  for (torch::Tensor* tensor : {&out.features, &out.labels, &out.index}) *tensor = train::from_first(*tensor, run_.ranks);
  return out;
}

train::Embedded FeatureStore::take(const Subject& subject, const OpenSplit& split) {
  const fs::path file = file_of(subject, split);
  if (auto computed = waiting_.extract(file)) return std::move(computed.mapped());
  if (auto stored = find(subject, split)) {
    if (!kept_.contains(file)) core::log_info("{}: features of {} taken from an earlier run ({})", subject.name, split.name, file.string());
    return std::move(*stored);
  }
  std::vector<const Subject*> others;
  std::vector<std::string> layers = {subject.tap()};
  for (const Subject& other : subjects_) {
    if (other.name != subject.name || &other <= &subject || other.of_head || subject.of_head) continue;
    const bool lies_there = run_.ranks.first() && reuse_ && has_key(file_of(other, split), features_key(other.identity, split));
    if (train::first_says(lies_there, run_.ranks)) continue;
    others.push_back(&other);
    layers.push_back(other.tap());
  }
  auto computed = embed_split(subject, split, run_, layers);
  for (std::size_t i = 0; i < others.size(); ++i) {
    const fs::path of_other = file_of(*others[i], split);
    if (keep(*others[i], split, computed[i + 1])) {
      kept_.insert(of_other);
    } else {
      waiting_[of_other] = std::move(computed[i + 1]);
    }
    computed[i + 1] = {};
  }
  return std::move(computed.front());
}

std::string store_features(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded, const fs::path& file) {
  const std::string key = features_key(subject.identity, split);
  if (stored_features(file, key)) return core::digest_of_file(file);
  const train::Embedded dense{embedded.features.contiguous(), embedded.labels.contiguous(), embedded.index.contiguous()};
  return nn::save_tensors(file, {{"features", dense.features}, {"labels", dense.labels}, {"index", dense.index}},
                          features_metadata(key, bytes_of(dense)));
}

manifest::Features save_features(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded,
                                 const manifest::Dataset& dataset, const fs::path& file) {
  manifest::Features out;
  out.folder = file.parent_path();
  out.split = split.name;
  out.layer = subject.layer;
  out.count = embedded.features.size(0);
  out.dim = embedded.features.size(1);
  out.data = {file, store_features(subject, split, embedded, file)};
  out.model = subject.model;
  out.dataset = to_json(dataset, dataset.folder);
  out.shard = split.shard;
  return out;
}

}  // namespace selfsight::tasks
