#include "manifest/manifest.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/tool.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace selfsight::manifest {

namespace {

/// Every object with a "path" and a "digest" is a payload, wherever it stands; `change` gets its path.
template <class Change>
void for_each_payload(Json& node, const Change& change) {
  if (node.is_object() && node.contains("path") && node["path"].is_string() && node.contains("digest")) node["path"] = change(fs::path(node["path"].get<std::string>())).string();
  if (node.is_structured())
    for (auto& child : node) for_each_payload(child, change);
}

fs::path absolute_in(const fs::path& path, const fs::path& folder) { return path.is_absolute() ? path : (fs::absolute(folder) / path).lexically_normal(); }

Json file_json(const File& file) { return {{"path", file.path.string()}, {"digest", file.digest}}; }

File file_from(const Json& json, const fs::path& folder) { return {absolute_in(json.at("path").get<std::string>(), folder), json.value("digest", "")}; }

/// The fields of the envelope around `fields`, which win over what came in unknown.
Json enclose(const Envelope& envelope, const char* kind, Json fields, const fs::path& folder) {
  Json out = envelope.extra;
  out["manifest"] = kind;
  out["version"] = 1;
  if (!envelope.tool.empty()) out["tool"] = envelope.tool;
  if (!envelope.inputs.empty()) out["inputs"] = envelope.inputs;
  out.update(fields);
  for_each_payload(out, [&](const fs::path& path) { return core::relative_or_absolute(absolute_in(path, folder), folder); });
  validate(out, envelope.origin);
  return out;
}

/// Takes `names` and the envelope out of a document; what is left is unknown to this program.
void open_envelope(Envelope& envelope, const Json& document, const std::vector<std::string>& names, const fs::path& folder, const std::string& origin) {
  envelope.tool = document.value("tool", Json::object());
  envelope.inputs = document.value("inputs", std::vector<Json>{});
  envelope.folder = folder;
  envelope.origin = origin;
  envelope.extra = document;
  for (const char* known : {"manifest", "version", "tool", "inputs", "folder"}) envelope.extra.erase(known);
  for (const auto& name : names) envelope.extra.erase(name);
}

/// Fields of a split that this program knows; the rest travels in Split::extra.
const std::vector<std::string> split_fields = {"format", "root", "files", "count", "labels", "fields", "image", "subset", "digest"};

Json split_json(const Split& split, const fs::path& folder) {
  Json out = split.extra;
  out["format"] = split.format;
  out["root"] = core::relative_or_absolute(split.root, folder).string();
  out["count"] = split.count;
  if (!split.labels.empty()) out["labels"] = split.labels;
  if (!split.fields.empty()) out["fields"] = split.fields;
  if (!split.image.empty()) out["image"] = split.image;
  if (!split.digest.empty()) out["digest"] = split.digest;
  for (const auto& [role, file] : split.files) out["files"][role] = file_json(file);
  if (split.subset) out["subset"] = file_json(*split.subset);
  return out;
}

Split split_from(const Json& json, const fs::path& folder) {
  Split split;
  split.format = json.at("format").get<std::string>();
  split.root = absolute_in(json.at("root").get<std::string>(), folder);
  split.count = json.at("count").get<std::int64_t>();
  split.labels = json.value("labels", split.labels);
  split.fields = json.value("fields", split.fields);
  split.image = json.value("image", split.image);
  split.digest = json.value("digest", "");
  if (json.contains("files"))
    for (const auto& [role, file] : json["files"].items()) split.files[role] = file_from(file, folder);
  if (json.contains("subset")) split.subset = file_from(json["subset"], folder);
  split.extra = json;
  for (const auto& name : split_fields) split.extra.erase(name);
  return split;
}

/// A manifest inside another: its paths are made absolute, so that it means the same wherever the outer one goes; enclose() then
/// makes those relative that lie below the outer one's folder.
Json nested(Json document, const fs::path& folder) {
  for_each_payload(document, [&](const fs::path& path) { return absolute_in(path, folder); });
  const auto roots = [&](Json& dataset) {
    if (dataset.is_object() && dataset.contains("splits"))
      for (auto& split : dataset["splits"])
        if (split.contains("root")) split["root"] = absolute_in(split["root"].get<std::string>(), folder).string();
  };
  roots(document);
  if (document.contains("dataset")) roots(document["dataset"]);
  if (document.contains("model") && document["model"].is_object() && document["model"].contains("dataset")) roots(document["model"]["dataset"]);
  return document;
}

}  // namespace

const Split& Dataset::split(const std::string& wanted) const {
  const auto it = splits.find(wanted);
  if (it != splits.end()) return it->second;
  std::string known;
  for (const auto& [split_name, ignored] : splits) known += (known.empty() ? "" : ", ") + split_name;
  core::fail(core::Exit::bad_data, "{}: has no split '{}' (it has: {})", origin, wanted, known);
}

Json to_json(const Dataset& m, const fs::path& folder) {
  Json fields = {{"name", m.name}, {"splits", Json::object()}};
  for (const auto& [name, split] : m.splits) fields["splits"][name] = split_json(split, folder);
  return enclose(m, Dataset::kind, std::move(fields), folder);
}

Json to_json(const Model& m, const fs::path& folder) {
  Json fields = {{"method", m.method}, {"architecture", m.architecture}, {"weights", file_json(m.weights)}, {"input", m.input},     {"mean", m.mean},
                 {"stddev", m.stddev}, {"feature_dim", m.feature_dim},   {"heads", m.heads},                {"dataset", nested(to_json(m.dataset, folder), folder)}};
  if (!m.config.is_null()) fields["config"] = m.config;
  if (!m.training.is_null()) fields["training"] = m.training;
  return enclose(m, Model::kind, std::move(fields), folder);
}

Json to_json(const Features& m, const fs::path& folder) {
  return enclose(m, Features::kind,
                 {{"split", m.split}, {"layer", m.layer}, {"count", m.count}, {"dim", m.dim}, {"data", file_json(m.data)}, {"model", m.model}, {"dataset", m.dataset}}, folder);
}

Json to_json(const Predictions& m, const fs::path& folder) { return enclose(m, Predictions::kind, {{"task", m.task}, {"data", file_json(m.data)}}, folder); }

Json to_json(const Metrics& m, const fs::path& folder) {
  Json rows = Json::array();
  for (const auto& row : m.rows) {
    Json line = {{"name", row.name}, {"value", row.value}, {"unit", row.unit}, {"split", row.split}, {"subject", row.subject}, {"protocol", row.protocol}};
    if (!row.samples.empty()) line["samples"] = row.samples;
    rows.push_back(std::move(line));
  }
  return enclose(m, Metrics::kind, {{"rows", std::move(rows)}, {"model", m.model}, {"features", m.features}}, folder);
}

template <>
Dataset from_json<Dataset>(const Json& document, const fs::path& folder, const std::string& origin) {
  Dataset m;
  open_envelope(m, document, {"name", "splits"}, folder, origin);
  m.name = document.at("name").get<std::string>();
  for (const auto& [name, split] : document.at("splits").items()) m.splits[name] = split_from(split, folder);
  return m;
}

template <>
Model from_json<Model>(const Json& document, const fs::path& folder, const std::string& origin) {
  Model m;
  open_envelope(m, document, {"method", "architecture", "weights", "input", "mean", "stddev", "feature_dim", "config", "training", "heads", "dataset"}, folder, origin);
  m.method = document.at("method").get<std::string>();
  m.architecture = document.at("architecture");
  m.weights = file_from(document.at("weights"), folder);
  m.input = document.at("input").get<std::vector<std::int64_t>>();
  m.mean = document.at("mean").get<std::vector<double>>();
  m.stddev = document.at("stddev").get<std::vector<double>>();
  m.feature_dim = document.at("feature_dim").get<std::int64_t>();
  m.config = document.value("config", Json());
  m.training = nested(document.value("training", Json()), folder);
  m.heads = nested(document.value("heads", Json::object()), folder);
  validate(document.at("dataset"), origin + " (its dataset)");
  m.dataset = from_json<Dataset>(document.at("dataset"), folder, origin);
  return m;
}

template <>
Features from_json<Features>(const Json& document, const fs::path& folder, const std::string& origin) {
  Features m;
  open_envelope(m, document, {"split", "layer", "count", "dim", "data", "model", "dataset"}, folder, origin);
  m.split = document.at("split").get<std::string>();
  m.layer = document.at("layer").get<std::string>();
  m.count = document.at("count").get<std::int64_t>();
  m.dim = document.at("dim").get<std::int64_t>();
  m.data = file_from(document.at("data"), folder);
  m.model = nested(document.value("model", Json()), folder);
  m.dataset = nested(document.value("dataset", Json()), folder);
  return m;
}

template <>
Predictions from_json<Predictions>(const Json& document, const fs::path& folder, const std::string& origin) {
  Predictions m;
  open_envelope(m, document, {"task", "data"}, folder, origin);
  m.task = document.at("task").get<std::string>();
  m.data = file_from(document.at("data"), folder);
  return m;
}

template <>
Metrics from_json<Metrics>(const Json& document, const fs::path& folder, const std::string& origin) {
  Metrics m;
  open_envelope(m, document, {"rows", "model", "features"}, folder, origin);
  for (const auto& line : document.at("rows")) {
    Row row;
    row.name = line.at("name").get<std::string>();
    row.value = line.at("value").is_null() ? std::nan("") : line.at("value").get<double>();
    row.unit = line.value("unit", "");
    row.split = line.value("split", "");
    row.subject = line.value("subject", "");
    row.protocol = line.at("protocol");
    row.samples = line.value("samples", row.samples);
    m.rows.push_back(std::move(row));
  }
  m.model = nested(document.value("model", Json()), folder);
  for (const auto& features : document.value("features", Json::array())) m.features.push_back(nested(features, folder));
  return m;
}

Document read_document(const std::string& path) {
  Document out;
  const bool piped = path == "-";
  out.origin = piped ? "<stdin>" : path;
  const std::string text = piped ? core::read_stdin() : core::read_text(path);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    core::fail(core::Exit::bad_data, "{}", piped ? "nothing arrived on stdin: did the command before it fail?" : path + ": is empty");
  try {
    out.json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    core::fail(core::Exit::bad_data, "{}: is not JSON (at byte {})", out.origin, error.byte);
  }
  validate(out.json, out.origin);
  out.kind = out.json.at("manifest").get<std::string>();
  // Through a pipe the folder comes along; a file's own place wins over what was written into it.
  out.folder = piped ? fs::path(out.json.value("folder", ".")) : fs::absolute(path).parent_path();
  out.json.erase("folder");
  return out;
}

void stamp(Envelope& envelope, const std::string& tool, const std::vector<std::string>& argv, double seconds, const OutputOptions& options) {
  envelope.tool = {{"name", tool}, {"version", core::version_number()}};
  if (!options.provenance) return;
  envelope.tool["argv"] = argv;
  envelope.tool["seconds"] = seconds;
}

Json input_entry(const std::string& kind, const std::string& origin, const Json& document) {
  return {{"kind", kind}, {"path", origin}, {"digest", core::digest_of(std::string_view(document.dump()))}};
}

void emit(const Json& document, const fs::path& file) {
  if (!file.empty()) core::write_atomically(file, document.dump(1) + "\n");
  Json printed = document;
  printed["folder"] = fs::absolute(file.empty() ? fs::path(".") : file.parent_path()).lexically_normal().string();
  const std::string text = printed.dump(1) + "\n";
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) core::fail(core::Exit::io, "stdout: {}", std::strerror(errno));
}

}  // namespace selfsight::manifest
