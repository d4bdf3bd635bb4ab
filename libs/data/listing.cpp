#include "data/listing.h"

#include "core/error.h"

namespace selfsight::data {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

std::vector<TreeEntry> list_folder(const fs::path& root) {
  constexpr int deepest = 8;  // links may run in circles
  std::error_code error;
  if (!fs::is_directory(root, error)) fail(Exit::no_input, "{}: no such folder", root.string());
  std::vector<TreeEntry> listing;
  fs::recursive_directory_iterator at(root, fs::directory_options::follow_directory_symlink, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (at->path().filename().string().starts_with('.')) {
      at.disable_recursion_pending();
      continue;
    }
    if (at.depth() >= deepest) fail(Exit::bad_data, "{}: folders nested more than {} deep", at->path().string(), deepest);
    std::error_code unknown;  // a link that leads to itself, for one: no folder, and no file that could be read
    listing.push_back({at->path().lexically_relative(root).generic_string(), at->is_directory(unknown)});
  }
  if (error) fail(Exit::no_input, "{}: {}", root.string(), error.message());
  return listing;
}

}  // namespace selfsight::data
