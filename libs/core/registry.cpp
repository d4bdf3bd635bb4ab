#include "core/registry.h"

#include <numeric>

namespace selfsight::core {

namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(const std::string& wrong, const std::vector<std::string>& known) {
  std::string best;
  std::size_t least = std::min(std::max<std::size_t>(2, wrong.size() / 3) + 1, wrong.size());  // nothing in common is not near
  for (const auto& name : known)
    if (const std::size_t distance = edit_distance(wrong, name); distance < least) {
      least = distance;
      best = name;
    }
  return best;
}

}  // namespace selfsight::core
