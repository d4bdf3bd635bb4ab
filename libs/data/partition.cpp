#include "data/partition.h"

#include "core/error.h"
#include "core/rng.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

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
  std::vector<std::int64_t> ends(shares.size(), 0);  // samples that parts up to this one have taken of earlier classes
  std::int64_t seen = 0;
  for (const auto& [label, samples] : shuffled_classes(labels, seed)) {
    seen += static_cast<std::int64_t>(samples.size());
    double cumulative = 0;
    std::int64_t begin = 0;
    for (std::size_t p = 0; p < shares.size(); ++p) {
      cumulative += shares[p];
      // What rounding leaves over in one class is made good in the next.
      const auto wanted = static_cast<std::int64_t>(std::llround(cumulative * static_cast<double>(seen)));
      const std::int64_t end = std::clamp<std::int64_t>(wanted - ends[p], begin, static_cast<std::int64_t>(samples.size()));
      parts[p].insert(parts[p].end(), samples.begin() + begin, samples.begin() + end);
      ends[p] += end;
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
