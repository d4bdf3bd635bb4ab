#include "train/share_state.h"

namespace selfsight::train {

using nlohmann::json;

std::optional<CheckpointState> share_state(const std::optional<CheckpointState>& state, const dist::Ranks& ranks) {
  if (ranks.alone()) return state;
  json table;
  if (ranks.first() && state) {
    table = {{"step", state->step}, {"facts", state->facts}, {"knn", state->knn ? json(*state->knn) : json()}, {"tensors", json::array()}};
    for (const auto& [name, tensor] : state->tensors)
      table["tensors"].push_back({name, static_cast<int>(tensor.scalar_type()), tensor.sizes().vec()});
  }
  table = json::parse(ranks.broadcast(table.dump()));
  if (table.is_null()) return std::nullopt;
  CheckpointState out;
  out.step = table.at("step");
  out.facts = table.at("facts");
  if (!table.at("knn").is_null()) out.knn = table.at("knn").get<double>();
  for (const auto& row : table.at("tensors")) {
    const std::string name = row.at(0);
    const auto type = static_cast<torch::ScalarType>(row.at(1).get<int>());
    torch::Tensor tensor =
        ranks.first() ? state->tensors.at(name).contiguous() : torch::empty(row.at(2).get<std::vector<std::int64_t>>(), type);
    ranks.broadcast_(tensor);
    out.tensors.emplace(name, tensor);
  }
  return out;
}

}  // namespace selfsight::train
