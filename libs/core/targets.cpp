#include "core/targets.h"

#include "core/error.h"

#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace selfsight::core {

void describe_force(Options& options, bool* force) {
  options.add("force", force, "replace the --output even when it is a file that this program did not write").runtime();
}

bool starts_with(const fs::path& file, std::string_view text) {
  std::string start(text.size(), '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(start.data(), static_cast<std::streamsize>(start.size()));
  return stream && start == text;
}

namespace {

/// Folders on the way to a new file are made when it is written; whether that can be is told before the work.
void need_place(const fs::path& path) {
  fs::path folder = absolute_path(path).parent_path();
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  if (!is_folder(folder)) fail(Exit::cannot_create, "{}: {} is no folder", path.string(), folder.string());
  if (::access(folder.c_str(), W_OK) != 0) fail(Exit::cannot_create, "{}: {}: {}", path.string(), folder.string(), std::strerror(errno));
}

}  // namespace

void refuse_foreign(const fs::path& path, bool force, const std::string& what, const std::function<bool(const fs::path&)>& is_ours) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return need_place(path);
  if (status.type() == fs::file_type::none) fail(Exit::cannot_create, "{}: {}", path.string(), error.message());
  if (fs::is_directory(status)) fail(Exit::cannot_create, "{}: is a folder", path.string());
  if (!fs::is_regular_file(status)) fail(Exit::cannot_create, "{}: is no regular file", path.string());
  if (!force && !is_ours(path))
    fail(Exit::cannot_create, "{}: exists and is not {} that selfsight wrote; choose another place, or --force to replace it",
         path.string(), what);
}

}  // namespace selfsight::core
