// Label images on disk for the tests of verbs that score them.
#pragma once

#include "core/log.h"
#include "data/labels.h"
#include "manifest/manifest.h"
#include "score/vos.h"
#include "unit/support.h"

#include <cmath>
#include <string>
#include <vector>

namespace selfsight::test {

/// One string a row, one character a pixel: '.' is 0, '1' to '9' are themselves, '#' is 255.
inline data::Labels mask(const std::vector<std::string>& rows) {
  data::Labels out(static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows[0].size()));
  std::size_t k = 0;
  for (const std::string& row : rows)
    for (const char c : row) out.values[k++] = c == '.' ? 0 : c == '#' ? 255 : static_cast<std::uint16_t>(c - '0');
  return out;
}

inline void save(const fs::path& path, const data::Labels& labels) {
  fs::create_directories(path.parent_path());
  const std::vector<std::byte> png = data::encode_labels(labels);
  write_plainly(path, {reinterpret_cast<const char*>(png.data()), png.size()});
}

/// Writes FOLDER/00000.png and so on.
inline void save_frames(const fs::path& folder, const std::vector<data::Labels>& frames) {
  for (std::size_t n = 0; n < frames.size(); ++n) save(folder / fmt::format("{:05}.png", n), frames[n]);
}

/// Scoring says its result on stderr; tests are silent.
inline const bool quiet = (core::set_log_level(core::Level::warning), true);

/// The value of a row. NaN for null.
inline double value_of(const manifest::Metrics& metrics, const std::string& name) {
  for (const manifest::Row& row : metrics.rows)
    if (row.name == name) return row.value;
  FAIL("no row " << name);
  return 0;
}

inline bool has_row(const manifest::Metrics& metrics, const std::string& name) {
  for (const manifest::Row& row : metrics.rows)
    if (row.name == name) return true;
  return false;
}

/// The "items" table of this title.
inline const manifest::Json& table_of(const manifest::Metrics& metrics, const std::string& title) {
  for (const manifest::Json& part : metrics.breakdowns)
    if (part.at("title") == title) return part;
  FAIL("no table " << title);
  return metrics.breakdowns[0];
}

/// A value of a table by the names of its row and column. NaN for null.
inline double cell(const manifest::Json& table, const std::string& row, const std::string& column) {
  const manifest::Json& columns = table.at("columns");
  for (std::size_t c = 0; c < columns.size(); ++c)
    for (const manifest::Json& one : table.at("rows"))
      if (columns[c].at("name") == column && one.at("name") == row)
        return one.at("values")[c].is_null() ? std::nan("") : one.at("values")[c].get<double>();
  FAIL("no cell " << row << ", " << column);
  return 0;
}

/// Everything that a run says, as text; what two runs that must agree are compared by. Also checks it against the schema.
inline std::string text_of(const manifest::Metrics& metrics) { return manifest::to_json(metrics, "/").dump(); }

}  // namespace selfsight::test
