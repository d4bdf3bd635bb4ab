#include "data/partition.h"

#include "core/error.h"
#include "core/rng.h"
#include "data/source.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <sstream>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

constexpr double tiny = 1e-9;  // of a sample: sums of shares are not exact

// Every class's samples in a random order. The same order serves every way of cutting, so that 5 a class lie within 10 a class.
std::map<std::int64_t, std::vector<std::int64_t>> shuffled_classes(const std::vector<std::int64_t>& labels, std::uint64_t seed) {
  std::map<std::int64_t, std::vector<std::int64_t>> classes;
  for (std::size_t i = 0; i < labels.size(); ++i) classes[labels[i]].push_back(static_cast<std::int64_t>(i));
  for (auto& [label, samples] : classes) {
    core::Rng rng(seed, core::Stream::split, static_cast<std::uint64_t>(label));
    rng.shuffle(samples);
  }
  return classes;
}

}  // namespace

std::vector<std::pair<std::string, double>> parse_shares(const std::string& text) {
  std::vector<std::pair<std::string, double>> shares;
  double sum = 0;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t equals = part.find('=');
    double share = 0;
    const char* end = part.data() + part.size();
    const bool read = equals != std::string::npos && equals > 0 && std::from_chars(part.data() + equals + 1, end, share).ptr == end;
    if (!read || !(share > 0) || share > 1) fail(Exit::usage, "--into: '{}' is not NAME=SHARE with a share above 0 and up to 1", part);
    const std::string name = part.substr(0, equals);
    if (!is_split_name(name)) fail(Exit::usage, "--into: '{}' is no plain name (no slashes, no leading dot or dash)", name);
    for (const auto& [other, value] : shares) {
      if (other == name) fail(Exit::usage, "--into: '{}' is named twice", name);
    }
    shares.emplace_back(name, share);
    sum += share;
  }
  if (shares.empty()) fail(Exit::usage, "--into: expected NAME=SHARE,NAME=SHARE ...");
  if (sum > 1 + 1e-9) fail(Exit::usage, "--into: the shares sum to {}, more than 1", sum);
  return shares;
}

std::vector<std::vector<std::int64_t>> stratified_parts(const std::vector<std::int64_t>& labels, const std::vector<double>& shares,
                                                        std::uint64_t seed) {
  std::vector<std::vector<std::int64_t>> parts(shares.size());
  std::vector<double> all = shares;  // and what no part takes
  all.push_back(std::max(0.0, 1.0 - std::accumulate(shares.begin(), shares.end(), 0.0)));
  std::vector<double> owed(all.size(), 0.0);  // to each part, for what rounding took from it in earlier classes
  for (const auto& [label, samples] : shuffled_classes(labels, seed)) {
    const auto size = static_cast<std::int64_t>(samples.size());
    std::vector<std::int64_t> counts(all.size());
    std::vector<std::size_t> cut;  // parts whose share is no whole number of samples
    std::int64_t left = size;
    for (std::size_t p = 0; p < all.size(); ++p) {
      const double exact = all[p] * static_cast<double>(size);
      counts[p] = static_cast<std::int64_t>(std::floor(exact + tiny));
      owed[p] += exact - static_cast<double>(counts[p]);
      if (exact - static_cast<double>(counts[p]) > tiny) cut.push_back(p);
      left -= counts[p];
    }
    // The samples left over go to those that are owed most, one at the most.
    const auto debt = [&](std::size_t p) { return std::llround(owed[p] / tiny); };
    std::stable_sort(cut.begin(), cut.end(), [&](std::size_t a, std::size_t b) { return debt(a) > debt(b); });
    for (std::size_t i = 0; i < cut.size() && left > 0; ++i, --left) {
      ++counts[cut[i]];
      owed[cut[i]] -= 1;
    }
    std::int64_t begin = 0;
    for (std::size_t p = 0; p < shares.size(); ++p) {
      const std::int64_t end = std::min(begin + counts[p], size);
      parts[p].insert(parts[p].end(), samples.begin() + begin, samples.begin() + end);
      begin = end;
    }
  }
  for (auto& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

std::vector<std::int64_t> per_class_sample(const std::vector<std::int64_t>& labels, std::int64_t count, std::uint64_t seed,
                                           const std::vector<std::string>& names) {
  std::vector<std::int64_t> chosen;
  const auto classes = shuffled_classes(labels, seed);
  if (classes.contains(-1)) fail(Exit::bad_data, "a number per class needs labels, and {} samples have none", classes.at(-1).size());
  for (const auto& [label, samples] : classes) {
    if (static_cast<std::int64_t>(samples.size()) < count) {
      const auto at = static_cast<std::size_t>(label);
      fail(Exit::bad_data, "class '{}' has {} samples, {} are asked for", at < names.size() ? names[at] : std::to_string(label),
           samples.size(), count);
    }
    chosen.insert(chosen.end(), samples.begin(), samples.begin() + count);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<std::int64_t> stratified_sample(const std::vector<std::int64_t>& labels, std::int64_t count, std::uint64_t seed) {
  const auto all = static_cast<std::int64_t>(labels.size());
  if (count > all) fail(Exit::bad_data, "{} samples are asked for, there are {}", count, all);
  return stratified_parts(labels, {static_cast<double>(count) / static_cast<double>(all)}, seed)[0];
}

}  // namespace selfsight::data
