// Shards as a command line or a list names them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace selfsight::data {

/// "a-{000..002}.tar" as the names it stands for: ranges of numbers, as wide as their ends are written, and lists ("{a,b}"); several in one
/// pattern, but none inside another. Error: usage for braces that are neither, or more than a million names.
std::vector<std::string> expand_braces(const std::string& pattern);

/// The lines of `list` ("" for none; empty lines are passed over, paths are relative to its folder) and then `arguments`, each
/// [SPLIT=]PATTERN, as absolute paths of each split; "train" without a name. A file that is called as a pattern is that file.
/// Errors: usage for no shard at all, or one that is named twice; no_input for the list.
std::map<std::string, std::vector<std::filesystem::path>> shards_by_split(const std::filesystem::path& list,
                                                                          const std::vector<std::string>& arguments);

}  // namespace selfsight::data
