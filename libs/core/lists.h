// Lists in messages.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace selfsight::core {

/// The first few, with commas, and dots for the rest.
inline std::string some_of(const std::vector<std::string>& names, std::size_t most = 4) {
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size()));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > most ? ", ..." : "");
}

}  // namespace selfsight::core
