#include "score/table.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace selfsight::score {

using core::Exit;
using core::fail;

namespace {

/// Whichever separator the first line has most of, outside quotes.
char separator_of(std::string_view content) {
  std::size_t counts[3] = {};
  constexpr std::string_view separators = ",;\t";
  bool quoted = false;
  for (const char c : content) {
    if (c == '"') quoted = !quoted;
    if (c == '\n' && !quoted) break;
    if (const auto at = separators.find(c); at != std::string_view::npos && !quoted) ++counts[at];
  }
  return separators[static_cast<std::size_t>(std::max_element(counts, counts + 3) - counts)];
}

/// What a text file holds. Error: bad_data when that is nothing.
std::string content_of(const manifest::fs::path& path) {
  std::string content = core::read_text(path);
  if (content.find_first_not_of(" \t\r\n") == std::string::npos) fail(Exit::bad_data, "{}: is empty", path.string());
  return content;
}

bool is_number(const std::string& text) {
  double value = 0;
  const char* last = text.data() + text.size();
  return !text.empty() && std::from_chars(text.data(), last, value).ptr == last;
}

}  // namespace

double parse_number(const std::string& text, const std::string& place) {
  const auto begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  const auto end = text.find_last_not_of(" \t\r") + 1;
  double value = 0;
  const char *first = text.data() + begin, *last = text.data() + std::max(begin, end);
  const auto [at, error] = std::from_chars(first + (first < last && *first == '+' ? 1 : 0), last, value);
  if (error != std::errc{} || at != last) fail(Exit::bad_data, "{}: '{}' is not a number", place, text);
  if (!std::isfinite(value)) fail(Exit::bad_data, "{}: {} is not a finite number", place, text);
  return value;
}

void for_each_json_line(const manifest::fs::path& path, const std::function<void(const manifest::Json&, const std::string&)>& take) {
  const std::string content = content_of(path);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line(content.data() + begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = fmt::format("{}:{}", path.string(), number);
    const auto json = manifest::parse_json(line, place);
    if (!json.is_object()) fail(Exit::bad_data, "{}: is not a JSON object", place);
    take(json, place);
  }
}

const manifest::Json& field(const manifest::Json& object, const char* key, const std::string& place) {
  if (!object.is_object() || !object.contains(key)) fail(Exit::bad_data, "{}: lacks \"{}\"", place, key);
  return object[key];
}

std::string text_field(const manifest::Json& object, const char* key, const std::string& place) {
  const manifest::Json& value = field(object, key, place);
  if (!value.is_string()) fail(Exit::bad_data, "{}: \"{}\" is not text", place, key);
  return value.get<std::string>();
}

std::vector<double> number_list(const manifest::Json& list, const std::string& place) {
  if (!list.is_array()) fail(Exit::bad_data, "{}: is not a list of numbers", place);
  std::vector<double> out;
  for (const auto& value : list) {
    // A NaN that Python wrote is no JSON and was refused as such; null is what other writers make of it.
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      fail(Exit::bad_data, "{}: entry {} ({}) is not a finite number", place, out.size(), value.dump());
    out.push_back(value.get<double>());
  }
  return out;
}

std::vector<std::vector<double>> number_lists(const manifest::Json& list, const std::string& place) {
  if (!list.is_array() || list.empty()) fail(Exit::bad_data, "{}: is not a list with one entry a clip", place);
  std::vector<std::vector<double>> out;
  for (const auto& clip : list) {
    out.push_back(number_list(clip, fmt::format("{}/{}", place, out.size())));
    if (out.back().size() != out.front().size() || out.back().empty())
      fail(Exit::bad_data, "{}/{}: {} annotators where clip 0 has {}", place, out.size() - 1, out.back().size(), out.front().size());
  }
  return out;
}

Table Table::read(const manifest::fs::path& path, const std::vector<std::string>& columns) {
  Table out;
  out.path_ = path.string();
  out.columns_ = columns;
  if (path.extension() == ".jsonl") {
    out.columns_.clear();
    for_each_json_line(path, [&](const manifest::Json& object, const std::string& place) {
      if (out.columns_.empty())
        for (const auto& [name, value] : object.items()) out.columns_.push_back(name);
      Row row{std::stoul(place.substr(place.rfind(':') + 1)), {}};
      for (const auto& name : out.columns_) {
        if (!object.contains(name)) fail(Exit::bad_data, "{}: lacks \"{}\", which the first line has", place, name);
        row.fields.push_back(object[name].is_string() ? object[name].get<std::string>() : object[name].dump());
      }
      if (object.size() != out.columns_.size()) fail(Exit::bad_data, "{}: has fields that the first line has not", place);
      out.rows_.push_back(std::move(row));
    });
    return out;
  }
  const std::string whole = content_of(path);
  const std::string_view content = whole;
  if (path.extension() == ".txt" && !columns.empty()) {
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < content.size();) {
      const std::size_t end = std::min(content.find('\n', begin), content.size());
      std::string line(content.substr(begin, end - begin));
      if (line.ends_with('\r')) line.pop_back();
      begin = end + 1;
      ++number;
      if (!line.empty()) out.rows_.push_back({number, {line}});
    }
    out.columns_.resize(1);
    return out;
  }
  out.read_csv(content, columns.empty());
  return out;
}

void Table::read_csv(std::string_view content, bool headed) {
  const char separator = separator_of(content);
  std::size_t line = 1;
  for (std::size_t at = 0; at < content.size();) {
    Row row{line, {}};
    bool more = true;
    while (more) {
      std::string field;
      if (at < content.size() && content[at] == '"') {
        for (++at;; ++at) {
          if (at >= content.size()) fail(Exit::bad_data, "{}:{}: a quote does not end", path_, row.line);
          if (content[at] == '"' && (at + 1 >= content.size() || content[at + 1] != '"')) break;
          if (content[at] == '"') ++at;
          line += content[at] == '\n' ? 1 : 0;
          field += content[at];
        }
        ++at;
      }
      while (at < content.size() && content[at] != separator && content[at] != '\n') field += content[at++];
      more = at < content.size() && content[at] == separator;
      ++at;
      if (!more && field.ends_with('\r')) field.pop_back();
      row.fields.push_back(std::move(field));
    }
    ++line;
    if (row.fields.size() == 1 && row.fields[0].empty()) continue;  // a blank line
    if (headed && columns_.empty()) {
      columns_ = std::move(row.fields);
      continue;
    }
    if (row.fields.size() != columns_.size())
      fail(Exit::bad_data, "{}:{}: {} fields where {} are expected ({})", path_, row.line, row.fields.size(), columns_.size(),
           fmt::join(columns_, ", "));
    rows_.push_back(std::move(row));
  }
}

std::string Table::column(const std::vector<std::string>& names) const {
  for (const auto& name : names)
    if (std::find(columns_.begin(), columns_.end(), name) != columns_.end()) return name;
  return "";
}

void Table::lacks(const std::string& what) const {
  const bool headed = std::none_of(columns_.begin(), columns_.end(), is_number);
  fail(Exit::bad_data, "{}: has no column {} ({} {})", path_, what, headed ? "it has" : "the first line must name the columns, and is",
       fmt::join(columns_, ", "));
}

const std::string& Table::text(std::size_t row, const std::string& column) const {
  const auto it = std::find(columns_.begin(), columns_.end(), column);
  if (it == columns_.end()) lacks(fmt::format("'{}'", column));
  return rows_.at(row).fields[static_cast<std::size_t>(it - columns_.begin())];
}

std::int64_t Table::integer(std::size_t row, const std::string& column) const {
  const std::string& field = text(row, column);
  std::int64_t value = 0;
  const char* last = field.data() + field.size();
  const auto [at, error] = std::from_chars(field.data(), last, value);
  if (error != std::errc{} || at != last || field.empty())
    fail(Exit::bad_data, "{}: {} '{}' is not a whole number", place(row), column, field);
  return value;
}

double Table::number(std::size_t row, const std::string& column) const {
  return parse_number(text(row, column), fmt::format("{}: {}", place(row), column));
}

std::string Table::place(std::size_t row) const { return fmt::format("{}:{}", path_, rows_.at(row).line); }

manifest::Json file_entry(const std::string& path) { return {{"kind", "file"}, {"path", path}, {"digest", core::digest_of_file(path)}}; }

}  // namespace selfsight::score
