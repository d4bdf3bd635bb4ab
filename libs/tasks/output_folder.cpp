#include "tasks/output_folder.h"

#include "core/error.h"
#include "core/files.h"

#include <algorithm>

namespace selfsight::tasks {

namespace fs = std::filesystem;

OutputFolder::OutputFolder(fs::path path, std::string tool, const dist::Ranks& ranks)
    : path_(std::move(path)), tool_(std::move(tool)), first_(ranks.first()), lock_(std::make_shared<std::optional<core::FolderLock>>()) {}

void OutputFolder::take() const {
  if (!first_) return;
  const fs::path mark = path_ / ("." + tool_);
  std::error_code error;
  if (fs::exists(path_, error) && !fs::is_directory(path_, error))
    core::fail(core::Exit::cannot_create, "{}: is a file, not a folder; choose another with -o", path_.string());
  // Another process of the tool may just be making it: its mark, under its temporary name, and its lock.
  const auto is_foreign = [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    return name != ".lock" && !name.starts_with("." + mark.filename().string());
  };
  if (fs::exists(path_, error) && !fs::exists(mark, error) && std::any_of(fs::directory_iterator(path_), {}, is_foreign))
    core::fail(core::Exit::cannot_create, "{}: holds files that {} did not write; choose another folder with -o", path_.string(), tool_);
  core::make_folder(path_);
  core::write_atomically(mark, std::string_view("This folder is " + tool_ + "'s: it may write its results over earlier ones.\n"));
  lock_->emplace(path_);
  core::remove_leftovers(path_);  // of one that was killed while it wrote
}

}  // namespace selfsight::tasks
