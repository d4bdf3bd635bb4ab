// Things found by name: each registers itself from its own file, so that adding one touches no list.
#pragma once

#include "core/error.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace selfsight::core {

/// The name in `known` closest to `wrong` by edit distance, or "" when none is near.
std::string nearest_name(const std::string& wrong, const std::vector<std::string>& known);

/// One registry per interface type. `Entry` is what is kept for a name, a factory with a description for instance.
template <class Entry>
class Registry {
 public:
  static Registry& instance() {
    static Registry registry;
    return registry;
  }
  /// Returns true so that it can initialise a file-level constant. Two entries of one name are a fault of ours.
  bool add(const std::string& name, Entry entry) {
    if (!entries_.emplace(name, std::move(entry)).second) fail(Exit::internal, "'{}' is registered twice", name);
    return true;
  }
  /// Error: usage, with the known names and the nearest one. `what` is "method", "source" ...
  const Entry& find(const std::string& name, const std::string& what) const {
    const auto it = entries_.find(name);
    if (it != entries_.end()) return it->second;
    const std::string near = nearest_name(name, names());
    fail(Exit::usage, "unknown {} '{}'{} (known: {})", what, name, near.empty() ? "" : "; did you mean '" + near + "'?",
         fmt::join(names(), ", "));
  }
  [[nodiscard]] bool has(const std::string& name) const { return entries_.contains(name); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }

 private:
  std::map<std::string, Entry> entries_;
};

}  // namespace selfsight::core
