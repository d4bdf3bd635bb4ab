#include "report/html.h"

#include "core/digest.h"
#include "core/error.h"
#include "report/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace selfsight::report {

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string base64(std::span<const std::byte> bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i) word = word << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) out += i <= count ? digits[word >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::string data_uri(std::string_view mime, std::span<const std::byte> bytes) {
  return fmt::format("data:{};base64,{}", mime, base64(bytes));
}

std::string image_uri(std::span<const std::byte> bytes, const std::string& name) {
  const auto starts = [&](std::initializer_list<int> magic) {
    return bytes.size() > magic.size() &&
           std::equal(magic.begin(), magic.end(), bytes.begin(), [](int a, std::byte b) { return std::byte(a) == b; });
  };
  if (starts({0x89, 'P', 'N', 'G'})) return data_uri("image/png", bytes);
  if (starts({0xFF, 0xD8, 0xFF})) return data_uri("image/jpeg", bytes);
  core::fail(core::Exit::bad_data, "{}: neither a PNG nor a JPEG picture", name);
}

std::string draw(const Table& table) {
  std::string out = "<div class=\"scroll\"><table>";
  if (!table.caption.empty()) out += "<caption>" + escape(table.caption) + "</caption>";
  out += "<thead><tr>";
  for (const TableColumn& column : table.columns) {
    out += fmt::format("<th scope=\"col\"{}{}>{}", column.number ? " class=\"num\"" : "",
                       column.hint.empty() ? "" : " title=\"" + escape(column.hint) + "\"", escape(column.title));
    if (!column.note.empty()) out += "<small>" + escape(column.note) + "</small>";
    out += "</th>";
  }
  out += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool number = c < table.columns.size() && table.columns[c].number;
      const char* tag = c == 0 ? "th scope=\"row\"" : "td";
      out += fmt::format("<{}{}>{}</{}>", tag, number ? " class=\"num\"" : "",
                         row[c].best ? "<strong>" + row[c].html + "</strong>" : row[c].html, c == 0 ? "th" : "td");
    }
    out += "</tr>";
  }
  return out + "</tbody></table></div>";
}

std::string definition_grid(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : entries) out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), value);
  return out + "</dl>";
}

std::string absent(const std::string& text) { return "<p class=\"absent\">" + escape(text) + "</p>"; }

std::string details(const std::string& summary, const std::string& html) {
  return fmt::format("<details><summary>{}</summary>{}</details>", escape(summary), html);
}

std::string draw(const Page& page) {
  // The policy names the one script by its digest, so that even a fault in escaping could not run anything else.
  const std::string hex = core::digest_of(script_text()).substr(std::string("sha256:").size());
  std::vector<std::byte> raw;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + at, hex.data() + at + 2, value, 16);
    raw.push_back(static_cast<std::byte>(value));
  }
  std::string out(page_marker);
  out += "<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
  out += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
      "'sha256-{}'\">",
      base64(raw));
  out += fmt::format("<meta name=\"color-scheme\" content=\"light dark\"><title>{}</title><style>{}</style></head><body>",
                     escape(page.title), style_text());
  out += fmt::format("<header><div class=\"wrap\"><h1>{}</h1><p class=\"sub\">{}</p></div></header>", escape(page.title),
                     escape(page.subtitle));
  out += "<nav aria-label=\"Sections\"><div class=\"wrap\">";
  for (const Section& section : page.sections) out += fmt::format("<a href=\"#{}\">{}</a>", section.id, escape(section.title));
  out += "</div></nav><main class=\"wrap\">" + page.hero;
  for (const Section& section : page.sections) {
    out += fmt::format("<section id=\"{}\"><h2>{}</h2>", section.id, escape(section.title));
    if (!section.lead.empty()) out += "<p class=\"lead\">" + escape(section.lead) + "</p>";
    out += section.html + "</section>";
  }
  out += fmt::format("</main><footer><div class=\"wrap\"><p>{}</p></div></footer><script>{}</script></body></html>\n", escape(page.footer),
                     script_text());
  return out;
}

}  // namespace selfsight::report
