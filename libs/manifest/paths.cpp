#include "manifest/paths.h"

#include "core/files.h"

namespace selfsight::manifest {

namespace {

using Change = std::function<fs::path(const fs::path&, const fs::path&)>;

bool is_manifest(const Json& node) {
  const auto kind = node.find("manifest");
  return kind != node.end() && kind->is_string();
}

void change_at(Json& owner, const char* key, const fs::path& folder, const Change& change) {
  const auto path = owner.find(key);
  // An empty path is a payload that is not there: the weights of a baseline without any.
  if (path != owner.end() && path->is_string() && !path->get_ref<const std::string&>().empty())
    *path = change(path->get<std::string>(), folder).string();
}

void walk(Json& node, fs::path folder, const Change& change) {
  if (node.is_array()) {
    for (auto& item : node) walk(item, folder, change);
    return;
  }
  if (!node.is_object()) return;
  if (is_manifest(node)) {
    const auto own = node.find("folder");
    if (own != node.end() && own->is_string()) folder = own->get<std::string>();
    const auto splits = node.find("splits");
    if (splits != node.end() && splits->is_object())
      for (auto& split : *splits)
        if (split.is_object()) change_at(split, "root", folder, change);
  }
  if (node.contains("digest") || node.size() == 1) change_at(node, "path", folder, change);
  for (auto& [key, value] : node.items())
    if (key != "tool" && key != "inputs") walk(value, folder, change);
}

/// Takes `names` out of every manifest in the document.
void erase_fields(Json& node, const std::vector<const char*>& names) {
  if (!node.is_structured()) return;
  if (node.is_object() && is_manifest(node))
    for (const char* name : names) node.erase(name);
  for (auto& child : node) erase_fields(child, names);
}

void erase_places(Json& node) {
  if (!node.is_structured()) return;
  if (node.is_object())
    for (const char* name : {"path", "root"}) node.erase(name);
  for (auto& child : node) erase_places(child);
}

}  // namespace

void change_paths(Json& document, const fs::path& folder, const Change& change) { walk(document, folder, change); }

Json with_absolute_paths(Json document, const fs::path& folder) {
  change_paths(document, folder, [](const fs::path& path, const fs::path& base) { return core::absolute_path(base / path); });
  erase_fields(document, {"folder"});
  return document;
}

Json with_relative_paths(Json document, const fs::path& folder) {
  const fs::path base = core::absolute_path(folder);
  document = with_absolute_paths(std::move(document), base);
  change_paths(document, base, [&](const fs::path& path, const fs::path&) { return core::relative_or_absolute(path, base); });
  document["folder"] = base.string();
  return document;
}

Json without_provenance(Json document) {
  erase_fields(document, {"tool", "inputs", "folder"});
  return document;
}

Json content_alone(Json document) {
  document = without_provenance(std::move(document));
  if (document.value("manifest", "") == "model") erase_fields(document, {"training", "config", "dataset"});
  erase_places(document);
  return document;
}

}  // namespace selfsight::manifest
