#include "manifest/manifest.h"
#include "manifest/schemas.h"

#include "core/error.h"

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <algorithm>
#include <memory>

namespace selfsight::manifest {

namespace {

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
      valijson::SchemaParser(valijson::SchemaParser::kDraft7)
          .populateSchema(valijson::adapters::NlohmannJsonAdapter(entry->json), entry->schema);
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

/// The part of `schema` that rules over the place `pointer` of a document, or null where it says nothing.
const Json* rule_at(const Json& schema, const Json& document, const std::string& pointer) {
  const auto follow = [&](const Json* rule) {
    while (rule != nullptr && rule->contains("$ref")) rule = &schema.at(Json::json_pointer(rule->at("$ref").get<std::string>().substr(1)));
    return rule;
  };
  std::vector<std::string> parts;
  for (Json::json_pointer path(pointer); !path.empty(); path.pop_back()) parts.insert(parts.begin(), path.back());
  const Json* rule = &schema;
  const Json* value = &document;
  for (const auto& part : parts) {
    const bool list = value->is_array();
    value = list ? &value->at(std::stoul(part)) : &value->at(part);
    const Json* next = nullptr;
    if (list) {
      if (rule->contains("items")) next = &rule->at("items");
    } else if (rule->contains("properties") && rule->at("properties").contains(part)) {
      next = &rule->at("properties").at(part);
    } else if (rule->contains("additionalProperties")) {
      next = &rule->at("additionalProperties");
    }
    rule = follow(next);
    if (rule == nullptr) return nullptr;
  }
  return rule;
}

std::string type_of(const Json& value) { return value.is_number_integer() ? "integer" : value.type_name(); }

/// What is wrong with `value`, in words: what its rule demands against what stands there. valijson's own words otherwise.
std::string fault(const Json& value, const Json* rule, const std::string& otherwise) {
  if (rule == nullptr) return otherwise;
  if (rule->contains("type")) {
    const Json types = rule->at("type").is_array() ? rule->at("type") : Json::array({rule->at("type")});
    const bool fits = std::any_of(types.begin(), types.end(),
                                  [&](const Json& type) { return type == type_of(value) || (type == "number" && value.is_number()); });
    if (!fits) return fmt::format("expected {}, got {}", fmt::join(types.get<std::vector<std::string>>(), " or "), type_of(value));
  }
  if (value.is_object() && rule->contains("required"))
    for (const auto& key : rule->at("required"))
      if (!value.contains(key.get<std::string>())) return fmt::format("'{}' is missing", key.get<std::string>());
  if (value.is_number() && rule->contains("minimum") && value < rule->at("minimum"))
    return fmt::format("expected at least {}, got {}", rule->at("minimum").dump(), value.dump());
  if (value.is_number() && rule->contains("maximum") && value > rule->at("maximum"))
    return fmt::format("expected at most {}, got {}", rule->at("maximum").dump(), value.dump());
  if (value.is_array() && rule->contains("minItems") && value.size() < rule->at("minItems"))
    return fmt::format("expected at least {} items, got {}", rule->at("minItems").dump(), value.size());
  if (value.is_array() && rule->contains("maxItems") && value.size() > rule->at("maxItems"))
    return fmt::format("expected at most {} items, got {}", rule->at("maxItems").dump(), value.size());
  return otherwise;
}

/// `place` is the JSON pointer of `document` in the whole; `expected` the kind that belongs there, "" for any.
void validate_at(const Json& document, const std::string& place, const std::string& expected, const std::string& origin) {
  const auto refuse = [&](const std::string& pointer, const std::string& what) {
    core::fail(core::Exit::bad_data, "{}: {}{}{}: {}", origin, place, pointer, place.empty() && pointer.empty() ? "/" : "", what);
  };
  if (!document.is_object()) refuse("", fmt::format("expected a manifest, got {}", type_of(document)));
  if (!document.contains("manifest")) refuse("", "is JSON but no manifest: 'manifest' is missing");
  const Json& kind = document["manifest"];
  if (!kind.is_string()) refuse("/manifest", fmt::format("expected string, got {}", type_of(kind)));
  const auto& name = kind.get_ref<const std::string&>();
  if (!schema_texts().contains(name))
    refuse("/manifest",
           fmt::format("'{}' is no kind of manifest that this program knows (dataset, model, features, predictions, metrics)", name));
  if (!expected.empty() && name != expected) refuse("/manifest", fmt::format("expected a {} manifest, got a {} manifest", expected, name));
  if (document.contains("version") && document["version"].is_number_integer() && document["version"] > newest_version)
    refuse("/version", fmt::format("version {} is newer than this program knows ({})", document["version"].dump(), newest_version));

  valijson::Validator validator;
  valijson::ValidationResults results;
  const Compiled& rules = compiled(name);
  if (!validator.validate(rules.schema, valijson::adapters::NlohmannJsonAdapter(document), &results)) {
    // Outer objects fail because an inner value does: the deepest place is the fault.
    const auto deepest =
        std::max_element(results.begin(), results.end(), [](const auto& a, const auto& b) { return a.context.size() < b.context.size(); });
    const std::string pointer = pointer_of(deepest->context);
    refuse(pointer, fault(document.at(Json::json_pointer(pointer)), rule_at(rules.json, document, pointer), deepest->description));
  }

  const auto holds = [&](const char* field) { return rules.json["properties"].contains(field) && document.contains(field); };
  for (const char* nested : {"dataset", "model"})
    if (holds(nested) && document[nested].is_object()) validate_at(document[nested], fmt::format("{}/{}", place, nested), nested, origin);
  if (holds("features"))
    for (std::size_t i = 0; i < document["features"].size(); ++i)
      validate_at(document["features"][i], fmt::format("{}/features/{}", place, i), "features", origin);
}

}  // namespace

const Json& schema(const std::string& kind) {
  if (!schema_texts().contains(kind)) core::fail(core::Exit::internal, "there is no manifest kind '{}'", kind);
  return compiled(kind).json;
}

void validate(const Json& document, const std::string& origin) { validate_at(document, "", "", origin); }

}  // namespace selfsight::manifest
