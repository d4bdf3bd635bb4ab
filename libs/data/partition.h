// Parts of a split: stratified over classes, and a pure function of labels and seed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::data {

/// "a=0.9,b=0.1" as names and shares. Error: usage (shares must be above 0 and sum to at most 1; names must differ).
std::vector<std::pair<std::string, double>> parse_shares(const std::string& text);

/// Disjoint parts with the given shares of every class (within one sample a class and in total; where there is one cut, to the
/// nearest sample in total); each in ascending order. Samples without a label form a class of their own.
std::vector<std::vector<std::int64_t>> stratified_parts(const std::vector<std::int64_t>& labels, const std::vector<double>& shares,
                                                        std::uint64_t seed);
/// `count` samples of every class, in ascending order. Error: bad_data naming a class that has fewer, or when labels are absent.
std::vector<std::int64_t> per_class_sample(const std::vector<std::int64_t>& labels, std::int64_t count, std::uint64_t seed,
                                           const std::vector<std::string>& names);
/// `count` samples, stratified, in ascending order. Error: bad_data when there are fewer.
std::vector<std::int64_t> stratified_sample(const std::vector<std::int64_t>& labels, std::int64_t count, std::uint64_t seed);

}  // namespace selfsight::data
