#include "train/checkpoint.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/log.h"
#include "nn/state.h"

#include <algorithm>

namespace selfsight::train {

namespace fs = core::fs;

std::vector<fs::path> Checkpoints::list() const {
  std::vector<fs::path> out;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_, none))
    if (entry.path().filename().string().starts_with("step-")) out.push_back(entry.path());
  std::sort(out.rbegin(), out.rend());  // zero-padded numbers sort as text
  return out;
}

namespace {
bool is_suspect(const fs::path& path) {
  const auto document = nlohmann::json::parse(core::read_text(path / "checkpoint.json"), nullptr, /*allow_exceptions=*/false);
  return !document.is_object() || document.value("suspect", false);
}
}  // namespace

void Checkpoints::save(const CheckpointState& state) const {
  core::make_folder(folder_);
  std::uint64_t bytes = 1 << 20;
  for (const auto& [name, tensor] : state.tensors) bytes += tensor.nbytes();
  if (const auto free = core::free_space(folder_); free < bytes)
    core::fail(core::Exit::io, "{}: a checkpoint needs {} MiB and only {} MiB are free; the ones before are kept", folder_.string(),
               bytes >> 20, free >> 20);
  const fs::path path = folder_ / fmt::format("step-{:010}", state.step);
  if (fs::exists(path)) return;  // this very step is there already
  core::create_folder_atomically(path, [&](const fs::path& temporary) {
    std::map<std::string, std::string> metadata;
    if (!state.network.empty()) metadata.emplace("selfsight.network", state.network);
    const std::string digest = nn::save_tensors(temporary / "state.safetensors", state.tensors, metadata);
    const nlohmann::json facts = {{"step", state.step}, {"facts", state.facts}, {"suspect", state.suspect}, {"state", digest}};
    core::write_atomically(temporary / "checkpoint.json", facts.dump(1) + "\n");
  });
  load(path);          // the older ones go only when this one can be read
  bool clean = false;  // one to go back to is among those kept
  std::size_t kept = 0;
  for (const auto& each : list()) {
    const bool needed = kept < static_cast<std::size_t>(keep_) || (!clean && !is_suspect(each));
    if (needed) {
      ++kept;
      clean = clean || !is_suspect(each);
    } else {
      fs::remove_all(each);
    }
  }
}

CheckpointState Checkpoints::load(const fs::path& path) {
  const auto document = nlohmann::json::parse(core::read_text(path / "checkpoint.json"), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("state"))
    core::fail(core::Exit::bad_data, "{}: checkpoint.json is damaged", path.string());
  const fs::path file = path / "state.safetensors";
  if (core::digest_of_file(file) != document.at("state").get<std::string>())
    core::fail(core::Exit::bad_data, "{}: its digest differs from the one written with it", file.string());
  CheckpointState state;
  state.step = document.at("step").get<std::int64_t>();
  state.facts = document.at("facts");
  state.suspect = document.value("suspect", false);
  state.tensors = nn::load_tensors(file);
  return state;
}

std::optional<CheckpointState> Checkpoints::newest_of(bool clean) const {
  core::remove_leftovers(folder_);
  for (const auto& path : list()) {
    try {
      auto state = load(path);
      if (!clean || !state.suspect) return state;
    } catch (const core::Error& error) {
      // Out of the way, so that it neither counts among those kept nor keeps this step from being saved again.
      const fs::path aside = folder_ / ("damaged-" + path.filename().string());
      fs::remove_all(aside);
      fs::rename(path, aside);
      core::log_warning("checkpoint not usable, trying the one before: {} (set aside as {})", error.what(), aside.filename().string());
    }
  }
  return std::nullopt;
}

}  // namespace selfsight::train
