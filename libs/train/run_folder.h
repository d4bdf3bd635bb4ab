// The folder of one run: owned by one process at a time and by one configuration for good.
#pragma once

#include "core/files.h"
#include "core/folder_lock.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace selfsight::train {

class RunFolder {
 public:
  /// Makes or takes the folder and locks it. `may_change`: options that may differ from run to run, which a refusal lists. Errors: usage
  /// when another live run holds it (named) or it holds work of another configuration (the difference is shown; a longer run is none);
  /// cannot_create when it exists with files that no run wrote.
  RunFolder(core::fs::path path, const nlohmann::json& identity, const std::vector<std::string>& may_change = {});
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  [[nodiscard]] const core::fs::path& path() const { return path_; }
  /// The folder holds work of a shorter run of this configuration.
  [[nodiscard]] bool lengthened() const { return lengthened_; }
  /// Makes the folder this configuration's own, once the input has proved good; without it a new folder goes again at the end.
  void claim();

 private:
  std::optional<core::FolderLock> lock_;
  core::fs::path path_;
  nlohmann::json identity_;
  bool is_new_ = false, lengthened_ = false;
};

/// "temperature: 0.5 there, 0.2 here; ..." for two flat objects.
std::string difference(const nlohmann::json& there, const nlohmann::json& here);
/// Whether `here` differs from `there` in that it runs longer ("epochs" or "max-steps", where 0 is no limit), and in nothing else.
bool is_longer(const nlohmann::json& there, const nlohmann::json& here);

}  // namespace selfsight::train
