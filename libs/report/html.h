// HTML by hand: escaping, embedded files, tables, and the frame of a page that needs nothing but itself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace selfsight::report {

/// Text made safe between tags and inside quoted attributes; control characters become U+FFFD.
std::string escape(std::string_view text);
std::string base64(std::span<const std::byte> bytes);
/// "data:image/png;base64,...".
std::string data_uri(std::string_view mime, std::span<const std::byte> bytes);
/// The same with the type told from the first bytes (PNG or JPEG). Error: bad_data naming `name` for anything else.
std::string image_uri(std::span<const std::byte> bytes, const std::string& name);

/// One cell; `html` is markup already.
struct TableCell {
  std::string html;
  bool best = false;  ///< bold
};
struct TableColumn {
  std::string title, note;  ///< plain text; the note stands small below the title
  bool number = true;       ///< right-aligned
  std::string hint{};       ///< plain text, shown to whoever points at the title
};
struct Table {
  std::vector<TableColumn> columns;
  std::vector<std::vector<TableCell>> rows;
  std::string caption;  ///< plain text
};
std::string draw(const Table& table);

/// Name and value pairs as a compact grid; values are markup.
std::string definition_grid(const std::vector<std::pair<std::string, std::string>>& entries);
/// A line that says why something is not there.
std::string absent(const std::string& text);
/// A closed block that opens on a click; `html` is markup.
std::string details(const std::string& summary, const std::string& html);

struct Section {
  std::string id, title;  ///< id: of letters and dashes
  std::string lead;       ///< one or two plain sentences: what is to be seen
  std::string html;
};

struct Page {
  std::string title, subtitle;  ///< plain text
  std::string hero;             ///< markup between the title and the first section
  std::vector<Section> sections;
  std::string footer;  ///< plain text
};

/// The first bytes of every page written here; a file without them is not ours to overwrite.
inline constexpr std::string_view page_marker = "<!DOCTYPE html>\n<!-- selfsight report -->\n";

/// The whole document. It loads nothing, and its content security policy admits no script but its own.
std::string draw(const Page& page);

}  // namespace selfsight::report
