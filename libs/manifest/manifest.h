// The documents that the executables pass to each other: one JSON object with an envelope
//   {"manifest": kind, "version": 1, "tool": {name, version, argv, seconds}, "inputs": [{kind, path, digest}], ...}
// and the kind's own fields. Payloads stay in files beside it, named relative to the manifest, with a digest.
// Fields this program does not know pass through untouched.
//
// A manifest inside another is stored whole. On disk its paths are relative to the outer manifest's folder where they lie below
// it, so a model.json that is moved together with its folder still finds its weights, and absolute otherwise (its data set,
// as a rule). In memory all are absolute, so that it can be put into another manifest as it is.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace selfsight::manifest {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Version of the documents written; older ones are read too.
inline constexpr int newest_version = 1;

/// A payload file: where it is and what it holds.
struct File {
  fs::path path;       ///< absolute in memory, relative to the manifest on disk where it lies below it
  std::string digest;  ///< "sha256:..."; empty when not known
  Json extra;          ///< fields not known here, kept; null when there are none
};

/// What every manifest carries.
struct Envelope {
  Json tool = Json::object();       ///< name, version, argv, seconds
  std::vector<Json> inputs;         ///< {kind, path, digest} of each manifest this one was made from
  Json extra = Json::object();      ///< fields not known here, kept
  fs::path folder;                  ///< the folder that relative paths refer to; not written
  std::string origin = "<memory>";  ///< the file this came from, or "<stdin>", for messages; not written
};

/// One named part of a data set.
struct Split {
  std::string format;                 ///< a registered source: "idx", "cifar-bin", "folder", "tar-folders", "shards", "jsonl", "video"
  fs::path root;                      ///< file or folder
  std::map<std::string, File> files;  ///< further files by role ("images", "labels", "index")
  std::int64_t count = 0;
  std::vector<std::string> labels;  ///< class names in the order of their indices; empty without labels
  std::vector<std::string> fields;  ///< what a sample carries: "image", "label", "text", "mask", ...
  std::vector<std::int64_t> image;  ///< height, width, channels where all images agree; empty otherwise
  std::optional<File> subset;       ///< JSON array of sample indices: this split is that part of the source
  std::string digest;               ///< digest of the content, "" when not computed
  Json extra = Json::object();
};

/// What makes two splits the same samples in the same order, as far as manifests tell: digest, count and subset.
Json content_of(const Split& split);

struct Dataset : Envelope {
  static constexpr const char* kind = "dataset";
  std::string name;
  std::map<std::string, Split> splits;
  /// Error: bad_data, naming the splits there are.
  [[nodiscard]] const Split& split(const std::string& name) const;
};

struct Model : Envelope {
  static constexpr const char* kind = "model";
  std::string method;                ///< "simclr", or "untrained", "pixels" for baselines
  Json architecture;                 ///< name and the options that nn::make_backbone takes
  File weights;                      ///< safetensors of the backbone, keys as timm's or torchvision's; empty path: none
  std::vector<std::int64_t> input;   ///< height, width, channels
  std::vector<double> mean, stddev;  ///< of the normalisation, per channel, on 0..1
  std::int64_t feature_dim = 0;
  Json config;                  ///< the resolved options of the run
  Json training;                ///< epochs, steps, images, seconds, files: {"metrics": File, "views": File, "checkpoint": ...}
  Json heads = Json::object();  ///< further networks by name: {"projector": {"architecture", "weights"}}
  Dataset dataset;              ///< what it was trained on; left out of the JSON when it has no splits
};

/// Which part of a split: shard `index` of `count`, contiguous, as equal as can be.
struct Shard {
  std::int64_t index = 0, count = 1;
  std::int64_t samples = 0;       ///< of the whole split
  std::optional<double> max_bad;  ///< where bad images were left out: the share of all that is accepted
  bool operator==(const Shard&) const = default;
};

struct Features : Envelope {
  static constexpr const char* kind = "features";
  std::string split;
  std::string layer;  ///< what was taken: "pooled", "cls", "block-3" ...
  std::int64_t count = 0, dim = 0;
  File data;                   ///< safetensors: "features" (count x dim, F32), "labels" (I64), "index" (I64)
  Json model;                  ///< the model manifest it was made with (whole), or null
  Json dataset;                ///< the dataset manifest (whole)
  std::optional<Shard> shard;  ///< set where they are those of a part of the split
};

/// Tables over the samples of one split, made before a run: in which batches they come, or which others stand in for each.
struct Plan : Envelope {
  static constexpr const char* kind = "plan";
  std::string rule;  ///< "clusters", "labels", "random", "single-cluster": of batches; "neighbours", "same-cluster": of mates
  [[nodiscard]] bool of_mates() const { return rule == "neighbours" || rule == "same-cluster"; }
  std::string split;
  std::int64_t count = 0;
  std::int64_t batch = 0;       ///< samples a batch; 0 for mates
  bool redraw = false;          ///< the order inside each group is drawn anew every epoch
  Json facts = Json::object();  ///< what was found on the way: clusters, share of pairs of one class ...
  File data;                    ///< safetensors of I64: "order" (count) and "groups" (count), or "mates" (count x per sample)
  Json dataset;                 ///< the dataset manifest (whole)
};

struct Predictions : Envelope {
  static constexpr const char* kind = "predictions";
  std::string task;
  File data;  ///< JSON Lines, or a folder of PNGs
};

/// One number and what it means.
struct Row {
  std::string name;  ///< "linear top-1"
  double value = 0;  ///< null in JSON when it is not a finite number
  std::string unit;  ///< "%", "images/s", "" for pure numbers
  std::string split;
  Json protocol = Json::object();  ///< k, temperature, labels, draws, seed, epoch, learning rate ...
  std::vector<double> samples;     ///< the single values behind a mean (draws, seeds), in a fixed order; may be empty
  std::string subject;             ///< whose number: "simclr", "pixels", "untrained"
  Json extra = Json::object();     ///< fields not known here, kept
};

struct Metrics : Envelope {
  static constexpr const char* kind = "metrics";
  std::vector<Row> rows;
  Json model;                  ///< the model manifest judged (whole), or null
  std::vector<Json> features;  ///< features manifests made on the way (whole), for the report
  /// What stands behind the rows, item by item; the report draws each by its "kind" (see schemas/metrics.json): "items", "curves",
  /// "gallery", "overlays".
  std::vector<Json> breakdowns;
};

/// JSON of a manifest, validated against the kind's schema. Payload paths are relative to `folder` where they lie below it, and
/// "folder" says which that is: emit() leaves it out of the file, readers of a pipe need it. With an empty `folder` all paths
/// are absolute and there is no "folder".
Json to_json(const Dataset&, const fs::path& folder);
Json to_json(const Model&, const fs::path& folder);
Json to_json(const Features&, const fs::path& folder);
Json to_json(const Plan&, const fs::path& folder);
Json to_json(const Predictions&, const fs::path& folder);
Json to_json(const Metrics&, const fs::path& folder);

/// Reads one of a kind; payload paths become absolute, `folder` (or the document's own "folder", which wins) being what relative
/// ones refer to. Error: bad_data with origin and the JSON pointer of the fault; another kind ("expected a model, got a dataset").
template <class M>
M from_json(const Json& document, const fs::path& folder, const std::string& origin);
template <>
Dataset from_json<Dataset>(const Json&, const fs::path&, const std::string&);
template <>
Model from_json<Model>(const Json&, const fs::path&, const std::string&);
/// Also bad_data for features of a part of a split, so that no program takes them for the whole's.
template <>
Features from_json<Features>(const Json&, const fs::path&, const std::string&);
/// The same, but a part is welcome.
Features features_or_part(const Json&, const fs::path&, const std::string&);
template <>
Plan from_json<Plan>(const Json&, const fs::path&, const std::string&);
template <>
Predictions from_json<Predictions>(const Json&, const fs::path&, const std::string&);
template <>
Metrics from_json<Metrics>(const Json&, const fs::path&, const std::string&);

/// A document of any kind, validated, with where it came from.
struct Document {
  std::string kind;
  Json json;
  fs::path folder;
  std::string origin;
};
/// The JSON in a text. Error: bad_data, "ORIGIN: is not JSON: fault at byte 12, line 3".
Json parse_json(std::string_view text, const std::string& origin);
/// Reads and validates `path`, or stdin when it is "-". Relative paths refer to the manifest's own folder; to its "folder" field
/// when it came through a pipe, or was redirected into a file that lies elsewhere than its payloads. The document returned has
/// that folder as its "folder", so that it can be put into another one whole. Errors: no_input; bad_data (not JSON, no manifest,
/// unknown version, schema violation: origin, JSON pointer, what was expected).
Document read_document(const std::string& path);
/// The same for one expected kind; a manifest of another kind is bad_data ("expected a model, got a dataset").
template <class M>
M read(const std::string& path) {
  const Document document = read_document(path);
  return from_json<M>(document.json, document.folder, document.origin);
}

/// Provenance and output of a tool's one manifest.
struct OutputOptions {
  bool provenance = true;  ///< --no-provenance: leave out tool and anything that changes from run to run (seconds, absolute argv)
};
/// Fills `envelope.tool`. Without provenance it has nothing but name and version, and inputs are named without their folder.
void stamp(Envelope& envelope, const std::string& tool, const std::vector<std::string>& argv, double seconds, const OutputOptions& options);
/// An entry for Envelope::inputs. The digest is of what the document says, not of how it was made: it does not change with the
/// seconds that the tool before took.
Json input_entry(const std::string& kind, const std::string& origin, const Json& document);
/// Writes `document` to `file` atomically (when not empty) and prints it to stdout as the tool's one manifest. What is printed
/// carries "folder" (absolute) so that relative paths in it can be found by the next tool in the pipe. Errors: cannot_create, io;
/// a closed pipe is none.
void emit(const Json& document, const fs::path& file);

/// The JSON Schema of a kind ("dataset", ...), as shipped.
const Json& schema(const std::string& kind);
/// Checks a document and the manifests nested in it. Error: bad_data, "<origin>: /splits/train/count: expected integer, got string".
void validate(const Json& document, const std::string& origin);

}  // namespace selfsight::manifest
