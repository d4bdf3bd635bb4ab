// Images that could not be used, as a run keeps count of them: in its checkpoints, and among its ranks.
#pragma once

#include "data/loader.h"
#include "dist/ranks.h"

#include <nlohmann/json.hpp>

#include <vector>

namespace selfsight::train {

nlohmann::json to_json(const std::vector<data::BadItem>& items);
std::vector<data::BadItem> bad_items_from(const nlohmann::json& json);
/// Those that any rank has met, in order of source and sample, each once.
std::vector<data::BadItem> of_all_ranks(const std::vector<data::BadItem>& own, const dist::Ranks& ranks);

}  // namespace selfsight::train
