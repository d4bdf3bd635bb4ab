#include "train/checkpoint.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/log.h"
#include "nn/state.h"

#include <algorithm>

namespace selfsight::train {

namespace fs = core::fs;

namespace {

constexpr const char* file_name = "checkpoint.json";

/// With a digest of its own, as it says where a run stands.
std::string sealed(nlohmann::json facts) {
  facts["digest"] = core::digest_of(std::string_view(facts.dump(1)));
  return facts.dump(1) + "\n";
}

/// What checkpoint.json says; no object when it is absent or not as it was written.
nlohmann::json facts_of(const fs::path& checkpoint) {
  const fs::path file = checkpoint / file_name;
  std::error_code none;
  if (!fs::exists(file, none)) return {};
  auto facts = nlohmann::json::parse(core::read_text(file), nullptr, /*allow_exceptions=*/false);
  if (!facts.is_object() || !facts.contains("digest")) return {};
  const nlohmann::json digest = facts["digest"];
  facts.erase("digest");
  return digest == core::digest_of(std::string_view(facts.dump(1))) ? facts : nlohmann::json();
}

/// The facts of a checkpoint that is whole. Errors: bad_data, no_input.
nlohmann::json verified(const fs::path& checkpoint) {
  auto facts = facts_of(checkpoint);
  if (!facts.is_object()) core::fail(core::Exit::bad_data, "{}: {} is missing or damaged", checkpoint.string(), file_name);
  const fs::path file = checkpoint / "state.safetensors";
  if (core::digest_of_file(file) != facts.at("state").get<std::string>())
    core::fail(core::Exit::bad_data, "{}: its digest differs from the one written with it", file.string());
  return facts;
}

}  // namespace

std::vector<Checkpoints::Entry> Checkpoints::list() const {
  std::vector<Entry> out;
  std::error_code none;
  for (const auto& each : fs::directory_iterator(folder_, none)) {
    if (!each.path().filename().string().starts_with("step-")) continue;
    Entry& entry = out.emplace_back(Entry{.path = each.path()});
    const auto facts = facts_of(entry.path);
    if (!facts.is_object()) continue;
    entry.suspect = facts.at("suspect").get<bool>();
    entry.epoch = facts.value("epoch", std::int64_t{0});
    if (facts.contains("knn")) entry.knn = facts.at("knn").get<double>();
  }
  std::sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.path > b.path; });  // zero-padded numbers sort as text
  return out;
}

std::optional<fs::path> Checkpoints::best_of(const std::vector<Entry>& entries) const {
  const Entry* best = nullptr;
  for (const auto& entry : entries)
    if (entry.knn && (best == nullptr || *entry.knn >= *best->knn)) best = &entry;  // newest first: the earliest of equals
  return best == nullptr || !retention_.best ? std::nullopt : std::optional(best->path);
}

bool Checkpoints::worth_keeping(std::int64_t epoch, std::optional<double> knn) const {
  if (retention_.every > 0 && epoch > 0 && epoch % retention_.every == 0) return true;
  if (!retention_.best || !knn) return false;
  const auto entries = list();
  return std::none_of(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.knn && *entry.knn >= *knn; });
}

void Checkpoints::remove_needless() const {
  const auto entries = list();
  const auto best = best_of(entries);
  bool clean = false;  // one to go back to is among those kept
  std::int64_t count = 0;
  for (const auto& entry : entries) {
    const bool on_purpose = entry.path == best || (retention_.every > 0 && entry.epoch > 0 && entry.epoch % retention_.every == 0);
    if (count++ < retention_.newest || (!clean && !entry.suspect) || on_purpose)
      clean = clean || !entry.suspect;
    else
      fs::remove_all(entry.path);
  }
}

void Checkpoints::look_for_room(std::uint64_t bytes) const {
  if (const auto free = core::free_space(folder_); free < bytes)
    core::fail(core::Exit::io, "{}: a checkpoint needs {} MiB and only {} MiB are free{}", folder_.string(), bytes >> 20, free >> 20,
               list().empty() ? "" : "; the ones before are kept");
}

void Checkpoints::save(const CheckpointState& state) const {
  core::make_folder(folder_);
  std::uint64_t bytes = 1 << 20;
  for (const auto& [name, tensor] : state.tensors) bytes += tensor.nbytes();
  look_for_room(bytes);
  const fs::path path = folder_ / fmt::format("step-{:010}", state.step);
  if (fs::exists(path)) return;  // this very step is there already
  core::create_folder_atomically(path, [&](const fs::path& temporary) {
    std::map<std::string, std::string> metadata;
    if (!state.network.empty()) metadata.emplace("selfsight.network", state.network);
    const std::string digest = nn::save_tensors(temporary / "state.safetensors", state.tensors, metadata);
    nlohmann::json facts = {{"step", state.step}, {"facts", state.facts}, {"suspect", state.suspect}, {"state", digest}};
    if (state.epoch > 0) facts["epoch"] = state.epoch;
    if (state.knn) facts["knn"] = *state.knn;
    core::write_atomically(temporary / file_name, sealed(std::move(facts)));
  });
  verified(path);  // the older ones go only when this one can be read
  remove_needless();
}

CheckpointState Checkpoints::load(const fs::path& path) {
  const auto facts = verified(path);
  CheckpointState state;
  state.step = facts.at("step").get<std::int64_t>();
  state.facts = facts.at("facts");
  state.suspect = facts.at("suspect").get<bool>();
  state.epoch = facts.value("epoch", std::int64_t{0});
  if (facts.contains("knn")) state.knn = facts.at("knn").get<double>();
  state.tensors = nn::load_tensors(path / "state.safetensors");
  return state;
}

std::optional<CheckpointState> Checkpoints::newest_of(bool clean) const {
  core::remove_leftovers(folder_);
  for (const auto& [path, is_suspect, epoch, knn] : list()) {
    try {
      auto state = load(path);
      if (!clean || !state.suspect) return state;
    } catch (const core::Error& error) {
      if (error.exit() == core::Exit::io) throw;  // the disk's fault, which may pass
      // Out of the way, so that it neither counts among those kept nor keeps this step from being saved again.
      const fs::path aside = folder_ / ("damaged-" + path.filename().string());
      fs::remove_all(aside);
      fs::rename(path, aside);
      core::log_warning("checkpoint not usable, trying the one before: {} (set aside as {})", error.what(), aside.filename().string());
    }
  }
  std::error_code none;
  for (const auto& each : fs::directory_iterator(folder_, none))
    if (!clean && each.path().filename().string().starts_with("damaged-"))
      core::fail(core::Exit::bad_data, "{}: no checkpoint is left that can be gone on from; remove the run's folder to start over",
                 folder_.string());
  return std::nullopt;
}

}  // namespace selfsight::train
