// Whose features a probe judges: a model, the same architecture with random weights, or the raw pixels.
#pragma once

#include "core/options.h"
#include "data/loader.h"
#include "data/source.h"
#include "manifest/manifest.h"
#include "train/embed.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace selfsight::tasks {

/// The pixels of the input, as a backbone: so that every probe takes them like any other features. It has no parameters.
class PixelBackbone : public nn::Backbone {
 public:
  PixelBackbone(std::int64_t channels, std::int64_t size);
  nn::Features forward(const torch::Tensor& x, const nn::Taps& taps = {}) override;
  [[nodiscard]] std::int64_t feature_dim() const override { return options().channels * options().image * options().image; }
  [[nodiscard]] std::int64_t depth() const override { return 0; }
  [[nodiscard]] std::int64_t depth_of(const std::string&) const override { return 0; }
  [[nodiscard]] nn::Taps taps() const override { return {}; }
};

struct Subject {
  std::string name;              ///< the method of a model, "untrained", "pixels"
  train::Pretrained network;     ///< on the CPU, in eval mode
  std::string layer = "pooled";  ///< what its features are taken from ("pixels" for the pixels; "projector-1" of a head)
  std::string identity;          ///< digest of everything the features depend on beside the images; "" when that is not known
  manifest::Json model;          ///< the manifest; for a baseline one without weights
  bool baseline = true;
  bool of_head = false;  ///< the layer is one of a head, behind the backbone
  /// The layer as the network knows it.
  [[nodiscard]] std::string tap() const { return layer == "pixels" ? "pooled" : layer; }
};

/// Errors: as train::load_pretrained, and train::load_encoder for a layer of a head.
Subject model_subject(const manifest::Model& model, const std::string& layer);
/// The model's architecture with weights drawn by `seed`.
Subject untrained_subject(const manifest::Model& model, const std::string& layer, std::uint64_t seed);
/// The evaluation view of the model's input size (at most 64 x 64), values 0 to 1.
Subject pixel_subject(const manifest::Model& model);

/// What becomes of images that cannot be decoded.
struct BadPolicy {
  std::string on_bad = "fail";  ///< "fail", or "skip": looked for beforehand, left out and listed
  double max_bad = 0.001;       ///< share of bad images that is still accepted
  void describe(core::Options& options);
};

/// One split, opened, with the facts that messages and digests need.
struct OpenSplit {
  std::string name;
  std::shared_ptr<const data::Source> source;  ///< without the samples that were left out
  std::vector<std::string> class_names;
  std::string digest;                    ///< of its content; "" when the data set does not say
  std::vector<data::BadItem> left_out;   ///< bad images, by their place in the whole split
  std::vector<std::int64_t> kept;        ///< places of the source's samples in the whole split; empty when it is the whole split
  std::optional<manifest::Shard> shard;  ///< set when it is a part
};
/// With a `shard` only that part of the split, in which alone bad images are looked for. Errors: bad_data (no such split, no images, more
/// bad ones than accepted, channels that the model does not take), no_input; usage for more shards than images.
OpenSplit open_split(const manifest::Dataset& dataset, const std::string& name, const Subject& subject, const BadPolicy& policy = {},
                     const std::optional<manifest::Shard>& shard = {});
/// Error: bad_data when more than a share of `most` of `all` images are bad.
void check_bad_share(std::int64_t bad, std::int64_t all, double most, const std::string& origin, const std::string& split);
/// [{"split", "name", "reason"}] of what was left out of some splits.
manifest::Json left_out_json(const std::vector<const OpenSplit*>& splits);
/// Error: usage when the network has no such layer.
void check_layer(const Subject& subject);

struct EmbedRun {
  torch::Device device = torch::kCPU;
  std::int64_t batch = 256, workers = 0;
  bool fill = false;  ///< as train::EmbedOptions has it
  dist::Ranks ranks;  ///< that share the work; all have its results
  [[nodiscard]] train::EmbedOptions options() const;
};
/// Features of an opened split. Error: bad_data when one is not finite, usage for a layer that the network does not have.
train::Embedded embed_split(const Subject& subject, const OpenSplit& split, const EmbedRun& run);
/// The same of several layers of the subject's network by one pass, in their order.
std::vector<train::Embedded> embed_split(const Subject& subject, const OpenSplit& split, const EmbedRun& run,
                                         const std::vector<std::string>& layers);

/// Where the features of a probe's subjects come from, each of one layer: from the folder, when an earlier run of the same network on the
/// same images left them there (only weights and images whose digests the manifests give are recognised again), else from one pass through
/// the network for all of its layers that are still to be asked for (of a head: for each of its layers). They are kept in the folder, or
/// wait in memory where they cannot be. The folder is the first rank's; all take part in every call but file_of.
class FeatureStore {
 public:
  /// `subjects` in the order in which they are asked for, those of one network under one name; they must outlive it.
  FeatureStore(const std::vector<Subject>& subjects, std::filesystem::path folder, const EmbedRun& run, bool reuse);
  [[nodiscard]] std::filesystem::path file_of(const Subject& subject, const OpenSplit& split) const;
  /// To be asked for once.
  train::Embedded take(const Subject& subject, const OpenSplit& split);
  /// Leaves them in the folder for a later run, where they can be recognised again and there is room; whether it did.
  bool keep(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded) const;

 private:
  [[nodiscard]] std::optional<train::Embedded> find(const Subject& subject, const OpenSplit& split) const;
  const std::vector<Subject>& subjects_;
  std::filesystem::path folder_;
  EmbedRun run_;
  bool reuse_;
  std::map<std::filesystem::path, train::Embedded> waiting_;  ///< by the file that they would be kept in
  std::set<std::filesystem::path> kept_;                      ///< by this run
};

/// Digest of what features depend on beside the images; "" when the weights' digest is not known.
std::string model_identity(const manifest::Model& model, const std::string& layer);
/// The key that tells stored features of `split` by what has that identity; "" when they cannot be recognised again. Asks for no source.
std::string features_key(const std::string& identity, const OpenSplit& split);
/// What a file of features with this key says of itself: the key, and a digest of its tensors' bytes (features, labels, index). Nothing
/// without a key.
std::map<std::string, std::string> features_metadata(const std::string& key, const std::vector<std::span<const std::byte>>& content);

/// Writes safetensors ("features", "labels", "index") to `file`, unless just these lie there already.
/// Returns the file's digest.
std::string store_features(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded,
                           const std::filesystem::path& file);
/// The same with a manifest that describes them.
manifest::Features save_features(const Subject& subject, const OpenSplit& split, const train::Embedded& embedded,
                                 const manifest::Dataset& dataset, const std::filesystem::path& file);

}  // namespace selfsight::tasks
