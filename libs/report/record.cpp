#include "report/record.h"

#include "core/error.h"
#include "core/files.h"
#include "manifest/payload.h"

#include <string_view>

namespace selfsight::report {

using manifest::Json;

const Curve* TrainingRecord::find(const std::string& name) const {
  const Curve* best = nullptr;
  for (const auto* curves : {&steps, &epochs}) {
    const auto it = curves->find(name);
    if (it != curves->end() && (best == nullptr || it->second.y.size() > best->y.size())) best = &it->second;
  }
  return best;
}

void read_record(const std::filesystem::path& path, TrainingRecord& record) {
  const std::string text = core::read_text(path);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object()) core::fail(core::Exit::bad_data, "{}:{}: not a JSON object", path.string(), number);
    const auto type = entry.find("type");
    if (type == entry.end() || !type->is_string()) core::fail(core::Exit::bad_data, "{}:{}: no \"type\"", path.string(), number);
    if (*type == "stage") {
      const auto stage = entry.find("stage"), seconds = entry.find("seconds");
      if (stage != entry.end() && stage->is_string() && seconds != entry.end() && seconds->is_number()) {
        record.stage_seconds[stage->get<std::string>()] += seconds->get<double>();
      }
      continue;
    }
    auto& curves = *type == "epoch" ? record.epochs : record.steps;
    const auto number_at = [&](const char* key) { return entry.contains(key) && entry.at(key).is_number(); };
    if (!number_at("epoch") && !number_at("step"))
      core::fail(core::Exit::bad_data, "{}:{}: neither \"epoch\" nor \"step\"", path.string(), number);
    if (!number_at("epoch")) record.x_label = "step";
    const double x = entry.at(number_at("epoch") ? "epoch" : "step").get<double>();
    for (const auto& [key, value] : entry.items()) {
      if (key == "epoch" || key == "step" || !value.is_number()) continue;
      curves[key].x.push_back(x);
      curves[key].y.push_back(value.get<double>());
    }
  }
}

manifest::File training_file(const manifest::Model& model, const std::string& role) {
  if (!model.training.is_object()) return {};
  const Json files = model.training.value("files", Json::object());
  if (!files.is_object() || !files.contains(role) || !files.at(role).is_object()) return {};
  const std::filesystem::path path = files.at(role).value("path", "");
  if (path.empty()) return {};
  return {path.is_absolute() ? path : model.folder / path, files.at(role).value("digest", "")};
}

TrainingRecord record_of(const manifest::Model& model) {
  TrainingRecord record;
  for (const char* role : {"metrics", "timings"}) {
    const manifest::File file = training_file(model, role);
    if (!file.path.empty()) read_record(manifest::checked_payload(file, "training record", model.origin), record);
  }
  return record;
}

}  // namespace selfsight::report
