#include "weights/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

namespace selfsight::weights {
namespace {

std::string same(const std::string& ours) { return ours; }

// With the part before the first dot replaced, where it is known.
template <std::size_t N>
std::string with_head(const std::string& ours, const std::array<std::pair<const char*, const char*>, N>& heads) {
  const std::size_t dot = ours.find('.');
  const std::string head = ours.substr(0, dot);
  for (const auto& [from, to] : heads)
    if (head == from) return to + (dot == std::string::npos ? "" : ours.substr(dot));
  return ours;
}

std::string in_sequence(const std::string& ours) {
  return with_head<6>(ours, {{{"conv1", "0"}, {"bn1", "1"}, {"layer1", "4"}, {"layer2", "5"}, {"layer3", "6"}, {"layer4", "7"}}});
}

std::string in_blocks(const std::string& ours) {
  return with_head<6>(ours, {{{"conv1", "_feature_blocks.0.Conv"},
                              {"bn1", "_feature_blocks.0.bn"},
                              {"layer1", "_feature_blocks.1"},
                              {"layer2", "_feature_blocks.2"},
                              {"layer3", "_feature_blocks.3"},
                              {"layer4", "_feature_blocks.4"}}});
}

// efficientnet_pytorch counts blocks through all stages, and names what timm numbers.
std::string in_efficientnet_pytorch(const std::string& ours) {
  constexpr std::array<int, 7> first_of_stage = {0, 1, 3, 5, 8, 11, 15};
  int stage = 0, block = 0, length = 0;
  if (std::sscanf(ours.c_str(), "blocks.%d.%d.%n", &stage, &block, &length) == 2 && length > 0 && stage >= 0 && stage < 7) {
    const std::string inner = ours.substr(static_cast<std::size_t>(length));
    const std::string named =
        stage == 0 ? with_head<4>(inner, {{{"conv_dw", "_depthwise_conv"}, {"bn1", "_bn1"}, {"conv_pw", "_project_conv"}, {"bn2", "_bn2"}}})
                   : with_head<6>(inner, {{{"conv_pw", "_expand_conv"},
                                           {"bn1", "_bn0"},
                                           {"conv_dw", "_depthwise_conv"},
                                           {"bn2", "_bn1"},
                                           {"conv_pwl", "_project_conv"},
                                           {"bn3", "_bn2"}}});
    return fmt::format("_blocks.{}.{}", first_of_stage[static_cast<std::size_t>(stage)] + block, named);
  }
  return with_head<4>(ours, {{{"conv_stem", "_conv_stem"}, {"bn1", "_bn0"}, {"conv_head", "_conv_head"}, {"bn2", "_bn1"}}});
}

bool optional(const std::string& key) { return key.ends_with("num_batches_tracked"); }

// A file's prefixes behind which some key of the layout stands, with the number of those that do so in our shape.
std::map<std::string, std::int64_t> prefixes(const Shapes& ours, const Shapes& file, const Layout& layout) {
  std::map<std::string, const std::vector<std::int64_t>*> wanted;
  for (const auto& [key, shape] : ours)
    if (!optional(key)) wanted.emplace(layout.key(key), &shape);
  std::map<std::string, std::int64_t> out;
  for (const auto& [key, shape] : file) {
    for (std::size_t begin = 0; begin != std::string::npos;) {
      const auto found = wanted.find(key.substr(begin));
      if (found != wanted.end() && *found->second == shape) ++out[key.substr(0, begin)];
      const std::size_t dot = key.find('.', begin);
      begin = dot == std::string::npos ? dot : dot + 1;
    }
  }
  return out;
}

// What users of a release take: DINO's teacher, MoCo's query network, the online half of BYOL. Lower comes first.
int rank(const std::string& prefix) {
  if (prefix.find("teacher") != std::string::npos) return 0;
  for (const char* word : {"encoder_k", "momentum", "target", "ema", "_k.", "student", "key_"})
    if (prefix.find(word) != std::string::npos) return 2;
  return 1;
}

std::string text_of(const std::vector<std::int64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Fit fit_as(const Shapes& ours, const Shapes& file, const Layout& layout, const std::string& prefix) {
  Fit out{.layout = layout.name, .prefix = prefix, .pairs = {}, .missing = {}, .misshapen = {}, .unexpected = {}, .alternatives = {}};
  std::set<std::string> taken;
  for (const auto& [key, shape] : ours) {
    const std::string theirs = prefix + layout.key(key);
    const auto found = file.find(theirs);
    taken.insert(theirs);
    if (found == file.end()) {
      if (!optional(key)) out.missing.push_back(key);
    } else if (optional(key)) {
      // A counter of updates: some files have it as a vector of one.
      if (found->second.empty() || found->second == std::vector<std::int64_t>{1}) out.pairs.emplace(key, theirs);
    } else if (found->second != shape) {
      out.misshapen.push_back(fmt::format("{}: {}, the file has {}", key, text_of(shape), text_of(found->second)));
    } else {
      out.pairs.emplace(key, theirs);
    }
  }
  for (const auto& [key, shape] : file)
    if (key.starts_with(prefix) && !taken.contains(key)) out.unexpected.push_back(key);
  return out;
}

}  // namespace

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all = {
      {"plain", same}, {"sequential", in_sequence}, {"obow", in_blocks}, {"efficientnet-pytorch", in_efficientnet_pytorch}};
  return all;
}

Fit fit(const Shapes& ours, const Shapes& file) {
  struct Candidate {
    const Layout* layout;
    std::string prefix;
    std::int64_t count;
  };
  std::vector<Candidate> candidates;
  for (const Layout& layout : layouts())
    for (const auto& [prefix, count] : prefixes(ours, file, layout)) candidates.push_back({&layout, prefix, count});
  if (candidates.empty()) return fit_as(ours, file, layouts().front(), "");
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    if (a.count != b.count) return a.count > b.count;
    if (rank(a.prefix) != rank(b.prefix)) return rank(a.prefix) < rank(b.prefix);
    return a.prefix.size() < b.prefix.size();
  });
  const Candidate& best = candidates.front();
  Fit out = fit_as(ours, file, *best.layout, best.prefix);
  std::set<std::string> told = {best.prefix};
  for (const Candidate& other : candidates)
    if (other.count == best.count && told.insert(other.prefix).second) out.alternatives.push_back(other.prefix);
  return out;
}

Fit fit(const Shapes& ours, const Shapes& file, const std::string& prefix) {
  Fit best;
  for (const Layout& layout : layouts()) {
    Fit one = fit_as(ours, file, layout, prefix);
    if (best.layout.empty() || one.pairs.size() > best.pairs.size()) best = std::move(one);
  }
  return best;
}

}  // namespace selfsight::weights
