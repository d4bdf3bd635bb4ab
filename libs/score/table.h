// Small tables beside features: CSV (RFC 4180; comma, semicolon or tab), JSON Lines, or one entry a line.
#pragma once

#include "manifest/manifest.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace selfsight::score {

/// Rows of named text fields, with where each came from.
class Table {
 public:
  /// By the file's ending: .jsonl (objects; values other than text as JSON writes them), .txt (one entry a line, the only column being
  /// columns[0]), anything else CSV. `columns` empty: the first line of a CSV names them; otherwise it has no such line and these are their
  /// names. Errors: no_input; bad_data for an empty file, and naming file and line for a row with other fields than the first, a quote that
  /// does not end ...
  static Table read(const manifest::fs::path& path, const std::vector<std::string>& columns = {});

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  /// The first of `names` that is a column, or "".
  [[nodiscard]] std::string column(const std::vector<std::string>& names) const;
  /// Error: bad_data, that there is no column `what`, with those there are.
  [[noreturn]] void lacks(const std::string& what) const;
  /// Errors: bad_data, naming file and line: no such column there, not a whole number, not a finite number.
  [[nodiscard]] const std::string& text(std::size_t row, const std::string& column) const;
  [[nodiscard]] std::int64_t integer(std::size_t row, const std::string& column) const;
  [[nodiscard]] double number(std::size_t row, const std::string& column) const;
  /// "items.csv:17"
  [[nodiscard]] std::string place(std::size_t row) const;

 private:
  struct Row {
    std::size_t line = 0;
    std::vector<std::string> fields;
  };
  void read_csv(std::string_view content, bool headed);
  std::string path_;
  std::vector<std::string> columns_;
  std::vector<Row> rows_;
};

/// Calls take(object, "FILE:LINE") for each line that is not blank. Errors: no_input; bad_data for what is not a JSON object, and when
/// there is no line.
void for_each_json_line(const manifest::fs::path& path,
                        const std::function<void(const manifest::Json& object, const std::string& place)>& take);

/// Fields of JSON objects. Errors: bad_data, naming `place`: not there, not a text, not a list of finite numbers (or of such lists, all of
/// one length and none empty).
const manifest::Json& field(const manifest::Json& object, const char* key, const std::string& place);
std::string text_field(const manifest::Json& object, const char* key, const std::string& place);
std::vector<double> number_list(const manifest::Json& list, const std::string& place);
std::vector<std::vector<double>> number_lists(const manifest::Json& list, const std::string& place);

/// The text as a finite number, all of it. Error: bad_data, "PLACE: 'abc' is not a number".
double parse_number(const std::string& text, const std::string& place);

/// An entry for a manifest's inputs: a file that is no manifest, with its digest. Error: no_input.
manifest::Json file_entry(const std::string& path);

}  // namespace selfsight::score
