#include "train/bad_items.h"

#include <map>
#include <utility>

namespace selfsight::train {

using nlohmann::json;

json to_json(const std::vector<data::BadItem>& items) {
  json out = json::array();
  for (const auto& item : items) out.push_back({item.sample, item.source, item.name, item.reason});
  return out;
}

std::vector<data::BadItem> bad_items_from(const json& items) {
  std::vector<data::BadItem> out;
  for (const auto& item : items) out.push_back({item.at(0), item.at(1), item.at(2), item.at(3)});
  return out;
}

std::vector<data::BadItem> of_all_ranks(const std::vector<data::BadItem>& own, const dist::Ranks& ranks) {
  std::map<std::pair<std::int32_t, std::int64_t>, data::BadItem> all;
  for (const auto& text : ranks.gather(to_json(own).dump()))
    for (auto& item : bad_items_from(json::parse(text))) all.try_emplace({item.source, item.sample}, std::move(item));
  std::vector<data::BadItem> out;
  for (auto& [place, item] : all) out.push_back(std::move(item));
  return out;
}

}  // namespace selfsight::train
