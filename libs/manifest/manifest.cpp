#include "manifest/manifest.h"

#include "core/error.h"
#include "core/files.h"
#include "manifest/paths.h"

#include <cmath>
#include <initializer_list>

namespace selfsight::manifest {

namespace {

std::string path_text(const fs::path& path) { return path.empty() ? "" : core::absolute_path(path).string(); }

/// What is left of `json` without the fields named.
Json rest_of(Json json, std::initializer_list<const char*> known) {
  for (const char* name : known) json.erase(name);
  return json;
}

Json file_json(const File& file) {
  Json out = file.extra.is_object() ? file.extra : Json::object();
  out["path"] = path_text(file.path);
  out["digest"] = file.digest;
  return out;
}

File file_from(const Json& json) {
  Json rest = rest_of(json, {"path", "digest"});
  return {json.at("path").get<std::string>(), json.value("digest", ""), rest.empty() ? Json() : std::move(rest)};
}

/// JSON has no word for infinity or "not a number".
Json number_json(double value) { return std::isfinite(value) ? Json(value) : Json(); }
double number_from(const Json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

Json split_json(const Split& split) {
  Json out = split.extra;
  out["format"] = split.format;
  out["root"] = path_text(split.root);
  out["count"] = split.count;
  if (!split.labels.empty()) out["labels"] = split.labels;
  if (!split.fields.empty()) out["fields"] = split.fields;
  if (!split.image.empty()) out["image"] = split.image;
  if (!split.digest.empty()) out["digest"] = split.digest;
  for (const auto& [role, file] : split.files) out["files"][role] = file_json(file);
  if (split.subset) out["subset"] = file_json(*split.subset);
  return out;
}

Split split_from(const Json& json) {
  Split split;
  split.format = json.at("format").get<std::string>();
  split.root = json.at("root").get<std::string>();
  split.count = json.at("count").get<std::int64_t>();
  split.labels = json.value("labels", split.labels);
  split.fields = json.value("fields", split.fields);
  split.image = json.value("image", split.image);
  split.digest = json.value("digest", "");
  if (json.contains("files"))
    for (const auto& [role, file] : json["files"].items()) split.files[role] = file_from(file);
  if (json.contains("subset")) split.subset = file_from(json["subset"]);
  split.extra = rest_of(json, {"format", "root", "count", "labels", "fields", "image", "digest", "files", "subset"});
  return split;
}

Json shard_json(const Shard& shard) {
  Json out = {{"index", shard.index}, {"count", shard.count}, {"samples", shard.samples}};
  if (shard.max_bad) out["max_bad"] = *shard.max_bad;
  return out;
}

/// Error: bad_data for what no shard is.
Shard shard_from(const Json& json, const std::string& origin) {
  Shard shard{json.at("index").get<std::int64_t>(), json.at("count").get<std::int64_t>(), json.at("samples").get<std::int64_t>(), {}};
  if (json.contains("max_bad")) shard.max_bad = json.at("max_bad").get<double>();
  if (shard.index >= shard.count || shard.count > shard.samples)
    core::fail(core::Exit::bad_data, "{}: /shard: there is no part {} of {} of {} samples", origin, shard.index, shard.count,
               shard.samples);
  return shard;
}

Json row_json(const Row& row) {
  Json out = row.extra;
  out["name"] = row.name;
  out["value"] = number_json(row.value);
  out["unit"] = row.unit;
  out["split"] = row.split;
  out["subject"] = row.subject;
  out["protocol"] = row.protocol;
  for (const double sample : row.samples) out["samples"].push_back(number_json(sample));
  return out;
}

Row row_from(const Json& json) {
  Row row;
  row.name = json.at("name").get<std::string>();
  row.value = number_from(json.at("value"));
  row.unit = json.value("unit", "");
  row.split = json.value("split", "");
  row.subject = json.value("subject", "");
  row.protocol = json.at("protocol");
  if (json.contains("samples"))
    for (const auto& sample : json["samples"]) row.samples.push_back(number_from(sample));
  row.extra = rest_of(json, {"name", "value", "unit", "split", "subject", "protocol", "samples"});
  return row;
}

/// The document around a kind's own `fields`, which win over what came in unknown.
Json enclose(const Envelope& envelope, const char* kind, const Json& fields, const fs::path& folder) {
  Json out = envelope.extra;
  out["manifest"] = kind;
  out["version"] = newest_version;
  if (!envelope.tool.empty()) out["tool"] = envelope.tool;
  if (!envelope.inputs.empty()) out["inputs"] = envelope.inputs;
  out.update(fields);
  out = folder.empty() ? with_absolute_paths(std::move(out), "") : with_relative_paths(std::move(out), folder);
  validate(out, envelope.origin);
  return out;
}

/// Checks a document, fills the envelope and returns the document with absolute paths. `names` are the fields of the kind.
Json open(Envelope& envelope, const char* kind, const Json& document, std::initializer_list<const char*> names, const fs::path& folder,
          const std::string& origin) {
  validate(document, origin);
  const std::string got = document.at("manifest").get<std::string>();
  if (got != kind) core::fail(core::Exit::bad_data, "{}: expected a {} manifest, got a {} manifest", origin, kind, got);
  envelope.folder = core::absolute_path(document.value("folder", folder.string()));
  envelope.origin = origin;
  Json absolute = with_absolute_paths(document, envelope.folder);
  envelope.tool = absolute.value("tool", Json::object());
  envelope.inputs = absolute.value("inputs", std::vector<Json>{});
  envelope.extra = rest_of(rest_of(absolute, {"manifest", "version", "tool", "inputs"}), names);
  return absolute;
}

}  // namespace

Json content_of(const Split& split) { return {split.digest, split.count, split.subset ? split.subset->digest : ""}; }

const Split& Dataset::split(const std::string& wanted) const {
  const auto it = splits.find(wanted);
  if (it != splits.end()) return it->second;
  std::vector<std::string> known;
  for (const auto& [split_name, ignored] : splits) known.push_back(split_name);
  core::fail(core::Exit::bad_data, "{}: has no split '{}' (it has: {}; ssl-data split makes others)", origin, wanted,
             fmt::join(known, ", "));
}

Json to_json(const Dataset& m, const fs::path& folder) {
  Json fields = {{"name", m.name}, {"splits", Json::object()}};
  for (const auto& [name, split] : m.splits) fields["splits"][name] = split_json(split);
  return enclose(m, Dataset::kind, fields, folder);
}

Json to_json(const Model& m, const fs::path& folder) {
  Json fields = {{"method", m.method},
                 {"architecture", m.architecture},
                 {"weights", file_json(m.weights)},
                 {"input", m.input},
                 {"mean", m.mean},
                 {"stddev", m.stddev},
                 {"feature_dim", m.feature_dim},
                 {"heads", m.heads}};
  if (!m.config.is_null()) fields["config"] = m.config;
  if (!m.training.is_null()) fields["training"] = m.training;
  if (!m.dataset.splits.empty()) fields["dataset"] = to_json(m.dataset, "");
  return enclose(m, Model::kind, fields, folder);
}

Json to_json(const Features& m, const fs::path& folder) {
  Json fields = {{"split", m.split},          {"layer", m.layer}, {"count", m.count},    {"dim", m.dim},
                 {"data", file_json(m.data)}, {"model", m.model}, {"dataset", m.dataset}};
  if (m.shard) fields["shard"] = shard_json(*m.shard);
  return enclose(m, Features::kind, fields, folder);
}

Json to_json(const Plan& m, const fs::path& folder) {
  const Json fields = {{"rule", m.rule},     {"split", m.split}, {"count", m.count},          {"batch", m.batch},
                       {"redraw", m.redraw}, {"facts", m.facts}, {"data", file_json(m.data)}, {"dataset", m.dataset}};
  return enclose(m, Plan::kind, fields, folder);
}

Json to_json(const Predictions& m, const fs::path& folder) {
  return enclose(m, Predictions::kind, {{"task", m.task}, {"data", file_json(m.data)}}, folder);
}

Json to_json(const Metrics& m, const fs::path& folder) {
  Json fields = {{"rows", Json::array()}, {"model", m.model}, {"features", m.features}};
  for (const auto& row : m.rows) fields["rows"].push_back(row_json(row));
  if (!m.breakdowns.empty()) fields["breakdowns"] = m.breakdowns;
  return enclose(m, Metrics::kind, fields, folder);
}

template <>
Dataset from_json<Dataset>(const Json& document, const fs::path& folder, const std::string& origin) {
  Dataset m;
  const Json json = open(m, Dataset::kind, document, {"name", "splits"}, folder, origin);
  m.name = json.at("name").get<std::string>();
  for (const auto& [name, split] : json.at("splits").items()) m.splits[name] = split_from(split);
  return m;
}

template <>
Model from_json<Model>(const Json& document, const fs::path& folder, const std::string& origin) {
  Model m;
  const auto names = {"method",      "architecture", "weights",  "input", "mean",   "stddev",
                      "feature_dim", "config",       "training", "heads", "dataset"};
  const Json json = open(m, Model::kind, document, names, folder, origin);
  m.method = json.at("method").get<std::string>();
  m.architecture = json.at("architecture");
  m.weights = file_from(json.at("weights"));
  m.input = json.at("input").get<std::vector<std::int64_t>>();
  m.mean = json.at("mean").get<std::vector<double>>();
  m.stddev = json.at("stddev").get<std::vector<double>>();
  m.feature_dim = json.at("feature_dim").get<std::int64_t>();
  m.config = json.value("config", Json());
  m.training = json.value("training", Json());
  m.heads = json.value("heads", Json::object());
  if (json.contains("dataset")) m.dataset = from_json<Dataset>(json.at("dataset"), m.folder, origin);
  return m;
}

template <>
Features from_json<Features>(const Json& document, const fs::path& folder, const std::string& origin) {
  Features m = features_or_part(document, folder, origin);
  if (m.shard)
    core::fail(core::Exit::bad_data, "{}: has the features of shard {}/{} of split '{}' only; ssl-embed merge puts the shards together",
               origin, m.shard->index, m.shard->count, m.split);
  return m;
}

Features features_or_part(const Json& document, const fs::path& folder, const std::string& origin) {
  Features m;
  const auto names = {"split", "layer", "count", "dim", "data", "model", "dataset", "shard"};
  const Json json = open(m, Features::kind, document, names, folder, origin);
  m.split = json.at("split").get<std::string>();
  m.layer = json.at("layer").get<std::string>();
  m.count = json.at("count").get<std::int64_t>();
  m.dim = json.at("dim").get<std::int64_t>();
  m.data = file_from(json.at("data"));
  m.model = json.value("model", Json());
  m.dataset = json.value("dataset", Json());
  if (json.contains("shard")) m.shard = shard_from(json.at("shard"), origin);
  return m;
}

template <>
Plan from_json<Plan>(const Json& document, const fs::path& folder, const std::string& origin) {
  Plan m;
  const auto names = {"rule", "split", "count", "batch", "redraw", "facts", "data", "dataset"};
  const Json json = open(m, Plan::kind, document, names, folder, origin);
  m.rule = json.at("rule").get<std::string>();
  m.split = json.at("split").get<std::string>();
  m.count = json.at("count").get<std::int64_t>();
  m.batch = json.value("batch", std::int64_t{0});
  m.redraw = json.value("redraw", false);
  m.facts = json.value("facts", m.facts);
  m.data = file_from(json.at("data"));
  m.dataset = json.value("dataset", Json());
  return m;
}

template <>
Predictions from_json<Predictions>(const Json& document, const fs::path& folder, const std::string& origin) {
  Predictions m;
  const Json json = open(m, Predictions::kind, document, {"task", "data"}, folder, origin);
  m.task = json.at("task").get<std::string>();
  m.data = file_from(json.at("data"));
  return m;
}

template <>
Metrics from_json<Metrics>(const Json& document, const fs::path& folder, const std::string& origin) {
  Metrics m;
  const Json json = open(m, Metrics::kind, document, {"rows", "model", "features", "breakdowns"}, folder, origin);
  for (const auto& row : json.at("rows")) m.rows.push_back(row_from(row));
  m.model = json.value("model", Json());
  m.features = json.value("features", m.features);
  m.breakdowns = json.value("breakdowns", m.breakdowns);
  return m;
}

}  // namespace selfsight::manifest
