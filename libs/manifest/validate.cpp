#include "manifest/manifest.h"
#include "manifest/schemas.h"

#include "core/error.h"

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <memory>

namespace selfsight::manifest {

namespace {

constexpr int newest_version = 1;

struct Compiled {
  Json json;
  valijson::Schema schema;
};

const Compiled& compiled(const std::string& kind) {
  static const auto all = [] {
    std::map<std::string, std::unique_ptr<Compiled>> out;
    for (const auto& [name, text] : schema_texts()) {
      auto entry = std::make_unique<Compiled>();
      entry->json = Json::parse(text);
      valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(valijson::adapters::NlohmannJsonAdapter(entry->json), entry->schema);
      out.emplace(name, std::move(entry));
    }
    return out;
  }();
  return *all.at(kind);
}

/// valijson names a place as "<root>", "[splits]", "[train]", "[0]"; JSON pointers join them with slashes.
std::string pointer_of(const std::vector<std::string>& context) {
  std::string out;
  for (const auto& part : context) {
    if (part == "<root>") continue;
    std::string name = part.size() >= 2 && part.front() == '[' ? part.substr(1, part.size() - 2) : part;
    for (const auto& [from, to] : {std::pair{"~", "~0"}, std::pair{"/", "~1"}})
      for (std::size_t at = 0; (at = name.find(from, at)) != std::string::npos; at += 2) name.replace(at, 1, to);
    out += '/';
    out += name;
  }
  return out;
}

/// What is wrong at the place itself, in words: the schema's demand there against what stands there.
std::string fault(const Json& document, const Json& schema, const std::string& pointer, const std::string& fallback) {
  const Json* rule = &schema;
  const Json* value = &document;
  Json::json_pointer path(pointer);
  std::vector<std::string> parts;
  for (; !path.empty(); path.pop_back()) parts.push_back(path.back());
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (value->is_array()) {
      value = &value->at(std::stoul(*part));
      if (!rule->contains("items")) return fallback;
      rule = &rule->at("items");
    } else {
      value = &value->at(*part);
      if (rule->contains("properties") && rule->at("properties").contains(*part)) {
        rule = &rule->at("properties").at(*part);
      } else if (rule->contains("additionalProperties")) {
        rule = &rule->at("additionalProperties");
      } else {
        return fallback;
      }
    }
  }
  const std::string actual = value->is_number_integer() ? "integer" : value->type_name();
  if (rule->contains("type")) {
    const Json& wanted = rule->at("type");
    const auto fits = [&](const std::string& type) { return type == actual || (type == "number" && value->is_number()); };
    bool any = false;
    std::string words;
    for (const auto& type : wanted.is_array() ? wanted : Json::array({wanted})) {
      any = any || fits(type.get<std::string>());
      words += (words.empty() ? "" : " or ") + type.get<std::string>();
    }
    if (!any) return fmt::format("expected {}, got {}", words, actual);
  }
  if (value->is_object() && rule->contains("required"))
    for (const auto& key : rule->at("required"))
      if (!value->contains(key.get<std::string>())) return fmt::format("'{}' is missing", key.get<std::string>());
  return fallback;
}

}  // namespace

const Json& schema(const std::string& kind) {
  if (!schema_texts().contains(kind)) core::fail(core::Exit::internal, "there is no manifest kind '{}'", kind);
  return compiled(kind).json;
}

void validate(const Json& document, const std::string& origin) {
  if (!document.is_object() || !document.contains("manifest") || !document["manifest"].is_string())
    core::fail(core::Exit::bad_data, "{}: is JSON but not a manifest (no \"manifest\" field)", origin);
  const std::string kind = document["manifest"];
  if (!schema_texts().contains(kind)) core::fail(core::Exit::bad_data, "{}: /manifest: '{}' is not a kind of manifest this program knows", origin, kind);
  if (document.contains("version") && document["version"].is_number_integer() && document["version"] > newest_version)
    core::fail(core::Exit::bad_data, "{}: /version: version {} is newer than this program knows ({})", origin, document["version"].dump(), newest_version);

  valijson::Validator validator;
  valijson::ValidationResults results;
  const Compiled& rules = compiled(kind);
  if (validator.validate(rules.schema, valijson::adapters::NlohmannJsonAdapter(document), &results)) return;
  // Outer objects fail because an inner value does: the deepest place is the fault.
  valijson::ValidationResults::Error error, deepest;
  std::size_t depth = 0;
  while (results.popError(error))
    if (depth == 0 || error.context.size() > depth) {
      depth = error.context.size();
      deepest = error;
    }
  const std::string pointer = pointer_of(deepest.context);
  core::fail(core::Exit::bad_data, "{}: {}: {}", origin, pointer.empty() ? "/" : pointer, fault(document, rules.json, pointer, deepest.description));
}

}  // namespace selfsight::manifest
