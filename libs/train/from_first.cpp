#include "train/from_first.h"

#include "core/error.h"
#include "train/run_folder.h"

#include <limits>

namespace selfsight::train {

using nlohmann::json;

void check_alike(const json& own, const dist::Ranks& ranks) {
  const auto all = ranks.gather(own.dump());
  const json first = json::parse(all.front());
  for (std::size_t rank = 1; rank < all.size(); ++rank)
    if (const json other = json::parse(all[rank]); other != first)
      core::fail(core::Exit::usage, "rank {} was started with other options than rank 0, or on other data: {}", rank,
                 difference(first, other));
}

void check_alike(core::CommandLine& cli, const dist::Ranks& ranks) {
  json own = cli.options().values(/*identity_only=*/true);
  own["arguments"] = cli.positionals(std::numeric_limits<std::size_t>::max());
  check_alike(own, ranks);
}

bool first_says(bool yes, const dist::Ranks& ranks) { return ranks.broadcast(yes ? "yes" : "no") == "yes"; }

manifest::Document read_document(const std::string& file, const dist::Ranks& ranks) {
  manifest::Document document;
  if (ranks.first()) document = manifest::read_document(file);
  if (ranks.alone()) return document;
  const json shared = json::parse(ranks.broadcast(json{document.kind, document.json, document.folder.string(), document.origin}.dump()));
  return {shared.at(0), shared.at(1), shared.at(2).get<std::string>(), shared.at(3)};
}

manifest::Document read_input(const core::CommandLine& cli, const dist::Ranks& ranks) {
  return read_document(ranks.first() ? cli.input() : "", ranks);
}

torch::Tensor from_first(const torch::Tensor& x, const dist::Ranks& ranks) {
  if (ranks.alone()) return x;
  json shape;
  if (ranks.first()) shape = {static_cast<int>(x.scalar_type()), x.sizes().vec()};
  shape = json::parse(ranks.broadcast(shape.dump()));
  const auto type = static_cast<torch::ScalarType>(shape.at(0).get<int>());
  const torch::Tensor out = ranks.first() ? x.contiguous() : torch::empty(shape.at(1).get<std::vector<std::int64_t>>(), type);
  ranks.broadcast_(out);
  return out;
}

std::optional<CheckpointState> share_state(const std::optional<CheckpointState>& state, const dist::Ranks& ranks) {
  if (ranks.alone()) return state;
  json table;
  if (ranks.first() && state) {
    table = {{"step", state->step}, {"facts", state->facts}, {"knn", state->knn ? json(*state->knn) : json()}, {"tensors", json::array()}};
    for (const auto& [name, tensor] : state->tensors) table["tensors"].push_back(name);
  }
  table = json::parse(ranks.broadcast(table.dump()));
  if (table.is_null()) return std::nullopt;
  CheckpointState out;
  out.step = table.at("step");
  out.facts = table.at("facts");
  if (!table.at("knn").is_null()) out.knn = table.at("knn").get<double>();
  for (const std::string name : table.at("tensors"))
    out.tensors.emplace(name, from_first(ranks.first() ? state->tensors.at(name) : torch::Tensor(), ranks));
  return out;
}

}  // namespace selfsight::train
