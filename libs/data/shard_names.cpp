#include "data/shard_names.h"

#include "core/error.h"
#include "core/files.h"
#include "data/source.h"

#include <charconv>
#include <set>
#include <sstream>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

constexpr std::size_t most_names = 1'000'000;

bool is_number(const std::string& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// What stands between two braces: "000..002" or "a,b"; nothing for anything else.
std::vector<std::string> alternatives(const std::string& inside) {
  std::vector<std::string> out;
  std::uint64_t first = 0, last = 0;
  if (const std::size_t dots = inside.find(".."); dots != std::string::npos) {
    const std::string from = inside.substr(0, dots), to = inside.substr(dots + 2);
    constexpr std::size_t widest = 20;
    if (from.size() > widest || to.size() > widest || !is_number(from, first) || !is_number(to, last) || last < first ||
        last - first >= most_names)
      return {};
    const std::size_t width = from.starts_with('0') || to.starts_with('0') ? std::max(from.size(), to.size()) : 1;
    for (std::uint64_t i = 0; i <= last - first; ++i) out.push_back(fmt::format("{:0{}}", first + i, width));
  } else if (inside.find(',') != std::string::npos) {
    std::istringstream parts(inside + ",");
    for (std::string part; std::getline(parts, part, ',');) out.push_back(part);
  }
  return out;
}

}  // namespace

std::vector<std::string> expand_braces(const std::string& pattern) {
  constexpr std::size_t longest = 4096;  // of any path; and patterns are taken apart by recursion
  if (pattern.size() > longest) fail(Exit::usage, "'{}...': a pattern of {} letters", pattern.substr(0, 40), pattern.size());
  const std::size_t open = pattern.find('{');
  if (open == std::string::npos) return {pattern};
  const std::size_t close = pattern.find('}', open);
  const std::vector<std::string> here =
      close == std::string::npos ? std::vector<std::string>() : alternatives(pattern.substr(open + 1, close - open - 1));
  if (here.empty()) fail(Exit::usage, "'{}': braces hold a range of numbers ({{000..146}}) or a list ({{a,b}})", pattern);
  std::vector<std::string> out;
  for (const std::string& rest : expand_braces(pattern.substr(close + 1))) {
    if (out.size() + here.size() > most_names) fail(Exit::usage, "'{}': more than {} names", pattern, most_names);
    for (const std::string& middle : here) out.push_back(pattern.substr(0, open).append(middle).append(rest));
  }
  return out;
}

std::map<std::string, std::vector<fs::path>> shards_by_split(const fs::path& list, const std::vector<std::string>& arguments) {
  std::map<std::string, std::vector<fs::path>> splits;
  std::set<fs::path> seen;
  const auto add = [&](const std::string& argument, const fs::path& folder) {
    const std::size_t equals = argument.find('=');
    const bool named = equals != std::string::npos && is_split_name(argument.substr(0, equals)) && !fs::exists(folder / argument);
    const std::string pattern = named ? argument.substr(equals + 1) : argument;
    for (const std::string& name : fs::exists(folder / pattern) ? std::vector{pattern} : expand_braces(pattern)) {
      const fs::path path = core::absolute_path(folder / name);
      if (!seen.insert(path).second) fail(Exit::usage, "{}: named twice", path.string());
      splits[named ? argument.substr(0, equals) : "train"].push_back(path);
    }
  };
  if (!list.empty()) {
    std::istringstream lines(core::read_text(list));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (!line.empty()) add(line, list.parent_path());
    }
  }
  for (const std::string& argument : arguments) add(argument, {});
  if (splits.empty()) fail(Exit::usage, "no shards: name tar files, or patterns of them ('train-{{000..146}}.tar')");
  return splits;
}

}  // namespace selfsight::data
