// JSON Lines: one object a line, {"image": path, "label": number or name, "split": name}. Paths are relative to the file's folder;
// label and split may be left out by all lines.
#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/registry.h"
#include "data/class_tree.h"
#include "data/source.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;
using Json = nlohmann::json;

struct Line {
  std::int64_t number;
  std::string image, split;
  Json label;  // number, string or null
};

std::vector<Line> read_lines(const fs::path& path) {
  std::vector<Line> lines;
  std::istringstream text(core::read_text(path));
  std::int64_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json object = manifest::parse_json(line, fmt::format("{}:{}", path.string(), number));
    if (!object.is_object()) fail(Exit::bad_data, "{}:{}: no JSON object", path.string(), number);
    Line entry{number, {}, "train", nullptr};
    if (!object.contains("image") || !object["image"].is_string() || object["image"].get_ref<const std::string&>().empty()) {
      fail(Exit::bad_data, "{}:{}: \"image\" must be the path of an image", path.string(), number);
    }
    entry.image = object["image"].get<std::string>();
    if (object.contains("split")) {
      if (!object["split"].is_string()) fail(Exit::bad_data, "{}:{}: \"split\" must be a name", path.string(), number);
      entry.split = object["split"].get<std::string>();
      if (!is_split_name(entry.split))
        fail(Exit::bad_data, "{}:{}: split '{}' is no plain name (no slashes, no leading dot or dash)", path.string(), number, entry.split);
    }
    if (object.contains("label")) {
      entry.label = object["label"];
      const bool usable = entry.label.is_string() || (entry.label.is_number_integer() && entry.label.get<std::int64_t>() >= 0 &&
                                                      entry.label.get<std::int64_t>() < most_classes);
      if (!usable)
        fail(Exit::bad_data, "{}:{}: \"label\" must be a class number from 0 to {}, or a class name", path.string(), number,
             most_classes - 1);
    }
    if (!lines.empty() && lines.front().label.type() != entry.label.type() &&
        !(lines.front().label.is_number() && entry.label.is_number())) {
      fail(Exit::bad_data, "{}:{}: \"label\" is {} here but {} in line {}: all lines must agree", path.string(), number,
           entry.label.type_name(), lines.front().label.type_name(), lines.front().number);
    }
    lines.push_back(std::move(entry));
  }
  if (lines.empty()) fail(Exit::bad_data, "{}: no lines", path.string());
  return lines;
}

class JsonlSource final : public Source {
 public:
  JsonlSource(const manifest::Split& split) : folder_(split.root.parent_path()), file_(split.root.filename().string()) {
    const std::string part = split.extra.value("part", std::string("train"));
    // Numbers need no names; of one that is large, there are a million.
    std::map<std::string_view, std::int64_t> index;
    for (Line& line : read_lines(split.root)) {
      if (line.split != part) continue;
      std::int64_t label = -1;
      if (line.label.is_string()) {
        if (index.empty())
          for (const std::string& name : split.labels) index.emplace(name, static_cast<std::int64_t>(index.size()));
        const auto found = index.find(line.label.get_ref<const std::string&>());
        if (found == index.end())
          fail(Exit::bad_data, "{}:{}: class '{}' is not in the manifest: describe the list again with ssl-data", split.root.string(),
               line.number, line.label.get<std::string>());
        label = found->second;
      } else if (line.label.is_number()) {
        label = line.label.get<std::int64_t>();
      }
      images_.push_back(std::move(line.image));
      lines_.push_back(line.number);
      labels_.push_back(label);
    }
  }
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(images_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    return fmt::format("{}:{}: {}", file_, lines_[static_cast<std::size_t>(index)], images_[static_cast<std::size_t>(index)]);
  }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    Stored stored;
    stored.owned = core::read_bytes(folder_ / images_[static_cast<std::size_t>(index)]);
    stored.bytes = stored.owned;
    return stored;
  }

 private:
  fs::path folder_;
  std::string file_;
  std::vector<std::string> images_;
  std::vector<std::int64_t> lines_, labels_;
};

std::unique_ptr<Source> open_jsonl(const manifest::Split& split) { return std::make_unique<JsonlSource>(split); }

/// Names that are there, or those of all numbers up to the largest. `origin` is what messages call the list.
std::vector<std::string> class_names(const std::vector<Line>& lines, const std::string& origin) {
  std::set<std::string> names;
  std::set<std::string_view> splits;
  std::int64_t most = -1;
  for (const Line& line : lines) {
    splits.insert(line.split);
    if (line.label.is_string()) names.insert(line.label.get<std::string>());
    if (line.label.is_number()) most = std::max(most, line.label.get<std::int64_t>());
  }
  need_room_for_names(splits.size(), names.size() + static_cast<std::size_t>(most + 1), origin);
  std::vector<std::string> out(names.begin(), names.end());
  for (std::int64_t i = 0; i <= most; ++i) out.push_back(std::to_string(i));
  return out;
}

manifest::Dataset describe_jsonl(const fs::path& path) {
  if (!fs::is_regular_file(path)) fail(Exit::no_input, "{}: no such file", path.string());
  const fs::path file = fs::canonical(path);
  const std::vector<Line> lines = read_lines(file);
  const std::vector<std::string> labels = class_names(lines, path.string());
  const std::string digest = core::digest_of_file(file);
  manifest::Dataset dataset;
  dataset.name = file.stem().string();
  for (const Line& line : lines) {
    // What the system cannot even look for, such as a name that is too long, is not there either.
    if (std::error_code unknown; !fs::is_regular_file(file.parent_path() / line.image, unknown))
      fail(Exit::no_input, "{}:{}: {}: no such file", path.string(), line.number, line.image);
    manifest::Split& split = dataset.splits[line.split];
    ++split.count;
    if (split.count > 1) continue;
    split.format = "jsonl";
    split.root = file;
    split.extra["part"] = line.split;
    split.labels = labels;
    split.fields = {"image"};
    if (!labels.empty()) split.fields.emplace_back("label");
    split.digest = digest;
  }
  return dataset;
}

bool recognises(const fs::path& path) { return fs::is_regular_file(path) && path.extension() == ".jsonl"; }

const bool registered = core::Registry<SourceFormat>::instance().add(
    "jsonl",
    {"a JSON Lines list: {\"image\": path, \"label\": number or name, \"split\": name} a line", open_jsonl, describe_jsonl, recognises});

}  // namespace
}  // namespace selfsight::data
