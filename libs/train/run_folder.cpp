#include "train/run_folder.h"

#include "core/error.h"

#include <unistd.h>
#include <algorithm>
#include <limits>

namespace selfsight::train {

namespace fs = core::fs;

namespace {

/// Of a manifest that an option names, {"path", "digest"}, what it says counts and not where it lies.
nlohmann::json comparable(nlohmann::json config) {
  for (auto& value : config)
    if (value.is_object() && value.contains("path") && value.contains("digest")) value = nlohmann::json(value.at("digest"));
  return config;
}

}  // namespace

std::string difference(const nlohmann::json& of_there, const nlohmann::json& of_here) {
  const nlohmann::json there = comparable(of_there), here = comparable(of_here);
  constexpr int most = 8;
  std::string out;
  int count = 0;
  const auto text = [](const nlohmann::json& object, const std::string& key) {
    return object.contains(key) ? object.at(key).dump() : "absent";
  };
  nlohmann::json keys = there;
  keys.update(here);
  for (const auto& [key, ignored] : keys.items()) {
    if (text(there, key) == text(here, key)) continue;
    if (++count > most) continue;
    out += fmt::format("{}{}: {} there, {} here", out.empty() ? "" : "; ", key, text(there, key), text(here, key));
  }
  if (count > most) out += fmt::format("; and {} more", count - most);
  return out;
}

bool is_longer(const nlohmann::json& of_there, const nlohmann::json& of_here) {
  const nlohmann::json there = comparable(of_there), here = comparable(of_here);
  constexpr std::int64_t no_limit = std::numeric_limits<std::int64_t>::max();
  nlohmann::json same = there;
  bool more = false;
  for (const char* key : {"epochs", "max-steps"}) {
    if (!there.contains(key) || !here.contains(key) || !there.at(key).is_number() || !here.at(key).is_number()) continue;
    const auto length = [&](const nlohmann::json& of) {
      const auto value = of.at(key).get<std::int64_t>();
      return value == 0 ? no_limit : value;
    };
    if (length(here) < length(there)) return false;
    more = more || length(here) > length(there);
    same[key] = here.at(key);
  }
  return more && same == here;
}

RunFolder::RunFolder(fs::path path, const nlohmann::json& identity, const std::vector<std::string>& may_change)
    : path_(std::move(path)), identity_(identity) {
  const fs::path config = path_ / "config.json";
  if (fs::exists(path_) && !fs::is_directory(path_)) core::fail(core::Exit::cannot_create, "{}: is no folder", path_.string());
  // A run's lock may lie there without its configuration; a lock beside another tool's mark is that tool's.
  const auto is_mark = [](const fs::directory_entry& entry) { return entry.path().filename().string().starts_with(".ssl-"); };
  if (fs::exists(path_) && !fs::is_empty(path_) && !fs::exists(config) &&
      (!fs::exists(path_ / ".lock") || std::any_of(fs::directory_iterator(path_), {}, is_mark)))
    core::fail(core::Exit::cannot_create, "{}: holds files that no run wrote; choose another folder with -o", path_.string());
  core::make_folder(path_);
  lock_.emplace(path_);
  core::remove_leftovers(path_);  // of a run that was killed while it wrote weights or a record

  const bool has_work =
      fs::exists(path_ / "model.json") || (fs::is_directory(path_ / "checkpoints") && !fs::is_empty(path_ / "checkpoints"));
  if (fs::exists(config)) {
    const auto there = nlohmann::json::parse(core::read_text(config), nullptr, /*allow_exceptions=*/false);
    if (!there.is_object()) core::fail(core::Exit::bad_data, "{}: damaged; remove the folder to start over", config.string());
    const std::string change = difference(there, identity);
    is_new_ = !change.empty() && !has_work;  // a run that ended before anything was saved holds nothing to protect
    const std::string method = there.value("method", "");
    if (has_work && !method.empty() && method != identity.value("method", method))
      core::fail(core::Exit::usage, "{}: holds a run of {}; choose another folder with -o or remove it", path_.string(), method);
    lengthened_ = has_work && is_longer(there, identity);
    if (!change.empty() && has_work && !lengthened_)
      core::fail(core::Exit::usage,
                 "{}: belongs to a run with another configuration ({}); choose another folder with -o or remove it. Only these may differ "
                 "when a run goes on: {}{}--epochs and --max-steps, upwards",
                 path_.string(), change, fmt::join(may_change, ", "), may_change.empty() ? "" : ", ");
  } else if (has_work) {
    core::fail(core::Exit::bad_data, "{}: is gone, so whose work is in the folder cannot be told; put it back or remove the folder",
               config.string());
  } else {
    is_new_ = true;
  }
}

void RunFolder::claim() {
  if (is_new_ || lengthened_) core::write_atomically(path_ / "config.json", identity_.dump(1) + "\n");
  is_new_ = false;
}

RunFolder::~RunFolder() {
  if (is_new_) {  // nothing has come of it; a folder that holds something else stays
    ::unlink((path_ / ".lock").c_str());
    ::rmdir(path_.c_str());
  }
}

}  // namespace selfsight::train
