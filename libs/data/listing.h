// What lies in a folder and below it.
#pragma once

#include "data/class_tree.h"

#include <filesystem>
#include <vector>

namespace selfsight::data {

/// Everything below `root` but what is hidden, links followed. Errors: no_input; bad_data for folders nested more than 8 deep.
std::vector<TreeEntry> list_folder(const std::filesystem::path& root);

}  // namespace selfsight::data
