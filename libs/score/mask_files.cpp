#include "score/mask_files.h"

#include "core/error.h"
#include "core/files.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::score {

using core::Exit;
using core::fail;
using manifest::Json;

fs::path predictions_folder(const std::string& input, const std::string& task, manifest::Metrics& metrics) {
  std::error_code ignored;
  if (input != "-" && core::is_folder(input)) return core::absolute_path(input);
  if (input != "-" && !fs::exists(input, ignored)) fail(Exit::no_input, "{}: no such folder of predictions, and no such manifest", input);
  if (fs::path(input).extension() == ".png")
    fail(Exit::bad_data, "{}: is a picture, where the folder that the predictions lie in is expected, or a manifest", input);
  const manifest::Document document = manifest::read_document(input);
  const auto predictions = manifest::from_json<manifest::Predictions>(document.json, document.folder, document.origin);
  if (predictions.task != task)
    fail(Exit::bad_data, "{}: /task: expected predictions of '{}', got '{}'", document.origin, task, predictions.task);
  if (!core::is_folder(predictions.data.path))
    fail(fs::exists(predictions.data.path, ignored) ? Exit::bad_data : Exit::no_input, "{}: the folder of masks that {} names is {}",
         predictions.data.path.string(), document.origin, fs::exists(predictions.data.path, ignored) ? "no folder" : "missing");
  metrics.inputs.push_back(manifest::input_entry(document.kind, document.origin, document.json));
  if (const auto model = predictions.extra.find("model"); model != predictions.extra.end() && model->is_object()) metrics.model = *model;
  return predictions.data.path;
}

void read_pair(const MaskPair& pair, data::Labels& truth, data::Labels& prediction) {
  std::error_code ignored;
  if (!fs::exists(pair.prediction, ignored))
    fail(Exit::bad_data, "{}: missing, the prediction for {}", pair.prediction.string(), pair.truth.string());
  data::read_labels(pair.truth, truth);
  data::read_labels(pair.prediction, prediction);
  if (truth.height != prediction.height || truth.width != prediction.width)
    fail(Exit::bad_data, "{}: {} x {} pixels, but the truth {} has {} x {}", pair.prediction.string(), prediction.width, prediction.height,
         pair.truth.string(), truth.width, truth.height);
}

std::vector<Json> overlays(const std::vector<MaskPair>& pairs, const std::vector<double>& values, const std::string& what,
                           const std::string& unit, std::int64_t count, const Json& further) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (std::isfinite(values[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  const std::size_t shown = std::min(static_cast<std::size_t>(count), order.size());
  const auto part = [&](const std::string& title, std::size_t begin) {
    Json frames = Json::array();
    for (std::size_t k = begin; k < begin + shown; ++k) {
      const MaskPair& pair = pairs[order[k]];
      Json frame = {{"name", pair.name},
                    {"truth", {{"path", pair.truth.string()}}},
                    {"prediction", {{"path", pair.prediction.string()}}},
                    {"value", number(values[order[k]])},
                    {"unit", unit}};
      if (!pair.image.empty()) frame["image"] = {{"path", pair.image.string()}};
      frames.push_back(std::move(frame));
    }
    Json out = {{"kind", "overlays"}, {"title", fmt::format("{} by {}", title, what)}, {"frames", std::move(frames)}};
    out.update(further);
    return out;
  };
  if (shown == 0) return {};
  return {part("Worst", 0), part("Median", (order.size() - shown) / 2), part("Best", order.size() - shown)};
}

manifest::Row row(const std::string& name, double value, const std::string& unit, const Json& protocol, const Json& further) {
  manifest::Row out;
  out.name = name, out.value = value, out.unit = unit, out.protocol = protocol;
  out.protocol.update(further);
  return out;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

}  // namespace selfsight::score
