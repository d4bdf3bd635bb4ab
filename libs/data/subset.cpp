#include "data/subset.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/targets.h"
#include "data/partition.h"
#include "manifest/payload.h"

#include <nlohmann/json.hpp>

#include <limits>
#include <utility>

namespace selfsight::data {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

std::vector<std::int64_t> listed_samples(const manifest::File& list, std::int64_t size) {
  return read_subset(manifest::checked_payload(list, "list of a split's samples", "the data set's manifest"), size);
}

manifest::Split write_subset(const manifest::Split& whole, const std::vector<std::int64_t>& samples, const fs::path& manifest,
                             const std::string& name, bool force) {
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  if (samples.empty()) fail(Exit::bad_data, "split '{}' would have no samples", name);
  std::vector<std::int64_t> numbers = samples;
  if (whole.subset) {
    const std::vector<std::int64_t> outer = listed_samples(*whole.subset, any);
    for (std::int64_t& number : numbers) number = outer.at(static_cast<std::size_t>(number));
  }
  const fs::path file = core::safe_entry(fmt::format("{}.{}.index.json", manifest.stem().string(), name), manifest);
  const fs::path path = fs::absolute(manifest).parent_path() / file;
  core::refuse_foreign(path, force, "a list of sample numbers", [](const fs::path& there) {
    try {
      read_subset(there, any);
      return true;
    } catch (const core::Error&) {
      return false;
    }
  });
  const std::string text = nlohmann::json(numbers).dump() + "\n";
  core::write_atomically(path, text);
  manifest::Split split = whole;
  split.count = static_cast<std::int64_t>(numbers.size());
  split.subset = manifest::File{path, core::digest_of(text)};
  core::Digest both;
  split.digest = both.add(whole.digest).add(split.subset->digest).finish();
  for (const char* of_whole : {"checked", "passed_over"}) split.extra.erase(of_whole);
  return split;
}

void SubsetOptions::describe(core::Options& options) {
  options.add("split", &from, "the split to take from");
  options.add("into", &into, "disjoint parts, stratified: NAME=SHARE,NAME=SHARE").metavar("PARTS");
  options.add("per-class", &per_class, "this many samples of every class").range(0);
  options.add("count", &count, "this many samples, stratified").range(0);
  options.add("name", &name, "name of the new split of --per-class or --count");
  options.add("seed", &seed, "which of the possible choices");
}

void SubsetOptions::check() const {
  if ((!into.empty()) + (per_class > 0) + (count > 0) != 1) fail(Exit::usage, "give exactly one of --into, --per-class and --count");
  if (!name.empty() && !is_split_name(name)) fail(Exit::usage, "--name: '{}' is no plain name (no slashes, no leading dot or dash)", name);
}

std::vector<std::string> add_subsets(manifest::Dataset& dataset, const SubsetOptions& options, const fs::path& manifest, bool force) {
  options.check();
  const manifest::Split whole = dataset.split(options.from);
  const std::vector<std::int64_t> labels = labels_of(*open_split(whole));
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> parts;
  const auto name_or = [&](const std::string& usual) { return options.name.empty() ? usual : options.name; };
  if (!options.into.empty()) {
    std::vector<double> shares;
    const auto named = parse_shares(options.into);
    shares.reserve(named.size());
    for (const auto& [part, share] : named) shares.push_back(share);
    auto samples = stratified_parts(labels, shares, options.seed);
    for (std::size_t i = 0; i < named.size(); ++i) parts.emplace_back(named[i].first, std::move(samples[i]));
  } else if (options.per_class > 0) {
    parts.emplace_back(name_or(fmt::format("{}-{}-per-class", options.from, options.per_class)),
                       per_class_sample(labels, options.per_class, options.seed, whole.labels));
  } else {
    parts.emplace_back(name_or(fmt::format("{}-{}", options.from, options.count)), stratified_sample(labels, options.count, options.seed));
  }
  for (const auto& [part, samples] : parts)
    if (dataset.splits.contains(part)) fail(Exit::usage, "the data set already has a split '{}'", part);
  std::vector<std::string> summary;
  summary.reserve(parts.size());
  for (const auto& [part, samples] : parts) {
    dataset.splits[part] = write_subset(whole, samples, manifest, part, force);
    summary.push_back(fmt::format("{}: {} of the {} samples of {}", part, samples.size(), whole.count, options.from));
  }
  return summary;
}

}  // namespace selfsight::data
