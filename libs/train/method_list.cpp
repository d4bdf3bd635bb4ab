#include "train/method_list.h"

#include "train/method.h"

namespace selfsight::train {

using nlohmann::json;

namespace {

json entries() {
  json rows = json::array();
  const auto add = [&](const std::string& name, const auto& entry, const char* kind) {
    rows.push_back({{"name", name},
                    {"kind", kind},
                    {"title", entry.title},
                    {"summary", entry.summary},
                    {"needs", entry.needs},
                    {"cost", entry.cost},
                    {"paper", entry.paper}});
  };
  for (const auto& name : MethodRegistry::instance().names()) {
    const auto& entry = MethodRegistry::instance().find(name, "method");
    add(name, entry, "method");
    for (const auto& [profile, values] : entry.profiles) rows.back()["profiles"].push_back(profile);
  }
  for (const auto& name : ModifierRegistry::instance().names()) add(name, ModifierRegistry::instance().find(name, "modifier"), "modifier");
  return rows;
}

}  // namespace

std::string list_methods(const std::string& format) {
  const json rows = entries();
  if (format == "json") return rows.dump(2) + "\n";
  std::string out;
  if (format == "markdown") out += "| name | method | needs | a step next to SimCLR's |\n|---|---|---|---|\n";
  for (const auto& row : rows) {
    const auto text = [&](const char* field) { return row.at(field).get<std::string>(); };
    const std::string name = row.at("kind") == "modifier" ? "--with " + text("name") : text("name");
    if (format == "markdown") {
      out +=
          fmt::format("| `{}` | {}: {} {} | {} | {} |\n", name, text("title"), text("summary"), text("paper"), text("needs"), text("cost"));
    } else {
      const std::string cost = text("cost").empty() ? "" : fmt::format("\n{:<12} a step next to SimCLR's: {}", "", text("cost"));
      out += fmt::format("{:<12} {}\n{:<12} needs: {}{}\n{:<12} {}\n", name, text("summary"), "", text("needs"), cost, "", text("paper"));
    }
  }
  return out;
}

}  // namespace selfsight::train
