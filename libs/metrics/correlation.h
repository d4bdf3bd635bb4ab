// Correlation of two series, with a reason where there is none.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace selfsight::metrics {

struct Correlation {
  std::optional<double> value;  ///< nothing where it is not defined
  std::string reason;           ///< then why: "the predicted scores are all equal"
};

/// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> average_ranks(std::span<const double> values);
/// Product-moment correlation. Not defined for fewer than two pairs or a constant series. `a_name` and `b_name` are what the reason calls
/// the series. Error: internal for sizes that differ. Values are finite.
Correlation pearson(std::span<const double> a, std::span<const double> b, const std::string& a_name, const std::string& b_name);
/// Pearson of the average ranks.
Correlation spearman(std::span<const double> a, std::span<const double> b, const std::string& a_name, const std::string& b_name);

}  // namespace selfsight::metrics
