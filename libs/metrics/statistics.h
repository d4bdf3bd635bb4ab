// The few statistics that every comparison of numbers needs. Plain numbers in, plain numbers out.
#pragma once

#include <span>
#include <vector>

namespace selfsight::metrics {

/// 0 for no values.
double mean(std::span<const double> values);
/// With n - 1 in the denominator; 0 for fewer than two values.
double standard_deviation(std::span<const double> values);
/// Standard deviation of the mean: standard_deviation / sqrt(n); 0 for fewer than two values.
double standard_error(std::span<const double> values);

/// a - b, value by value: what is left when both were measured under the same circumstances (the same draw of labels).
struct Paired {
  std::vector<double> samples;
  double mean = 0, standard_error = 0;
};
/// Error: internal unless both have the same number of values.
Paired paired_difference(std::span<const double> a, std::span<const double> b);

}  // namespace selfsight::metrics
