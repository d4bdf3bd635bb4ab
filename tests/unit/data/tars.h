// Tars in memory, well made and not.
#pragma once

#include "data/tar.h"
#include "unit/data/support.h"

namespace selfsight::data {

/// Puts the checksum of the header at `at` right.
inline void sign_header(std::string& tar, std::size_t at = 0) {
  tar.replace(at + 148, 8, 8, ' ');
  unsigned total = 0;
  for (std::size_t i = 0; i < tar_block; ++i) total += static_cast<unsigned char>(tar[at + i]);
  tar.replace(at + 148, 7, fmt::format("{:06o}", total) + '\0');
}

/// One entry of a type ('0': a plain file), its name not longer than 100 letters where the type is another.
inline std::string tar_entry(const std::string& name, char type, const std::string& body) {
  std::string out = text_of(tar_header(name, body.size()));
  if (type != '0') {
    out[156] = type;
    sign_header(out);
  }
  return out + body + std::string(tar_padding(body.size()), '\0');
}

/// "length key=value\n"
inline std::string pax_text(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}
/// A pax header that holds for the entry behind it; `more` are further records.
inline std::string pax_record(const std::string& key, const std::string& value, const std::string& more = {}) {
  return tar_entry("pax", 'x', pax_text(key, value) + more);
}

inline std::string tar_of(const Files& files) {
  std::string out;
  for (const auto& [path, content] : files) out += tar_entry(path, '0', content);
  return out + std::string(2 * tar_block, '\0');
}

}  // namespace selfsight::data
