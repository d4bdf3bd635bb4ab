// Where a tool writes.
#pragma once

#include "core/folder_lock.h"
#include "dist/ranks.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace selfsight::tasks {

/// A folder that a tool makes its own once its input has proved good, and that is its own until the last copy of this object is gone.
class OutputFolder {
 public:
  OutputFolder(std::filesystem::path path, std::string tool, const dist::Ranks& ranks = {});
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// By the first rank, whose folder it is; the others do nothing. Error: cannot_create when it holds files but not the mark of an earlier
  /// run of the tool, or another process is at work in it.
  void take() const;

 private:
  std::filesystem::path path_;
  std::string tool_;
  bool first_;
  std::shared_ptr<std::optional<core::FolderLock>> lock_;
};

}  // namespace selfsight::tasks
