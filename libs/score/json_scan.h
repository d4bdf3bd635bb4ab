// JSON of any size, read from front to back without a tree: the caller asks for what it expects and skips the rest. Strict: everything that
// is passed over is checked too (RFC 8259), and every fault names file, JSON pointer and byte.
#pragma once

#include "core/files.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace selfsight::score {

/// A file as one text of which little is resident: it is mapped, and what was read is given back.
class PagedText {
 public:
  /// Errors: no_input; bad_data for an empty file or one that is no regular file (a pipe cannot be read twice).
  explicit PagedText(const core::fs::path& path);
  /// Without a byte order mark; bytes in messages are counted from behind it.
  [[nodiscard]] std::string_view text() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Says that about `bytes` more were read; gives memory back from time to time. Safe from any thread, text stays valid.
  void used(std::size_t bytes);
  /// SHA-256 of the whole.
  [[nodiscard]] std::string digest();

 private:
  core::MappedFile file_;
  std::string name_;
  std::atomic<std::size_t> used_{0};
};

/// What is being read, for messages: "/annotations/12/bbox". A view must outlive its use here.
struct Place {
  std::string_view list;   ///< "annotations", or "" for a document that is a list itself
  std::int64_t item = -1;  ///< -1: not inside an item
  std::string_view field;
  [[nodiscard]] std::string pointer() const;
};

/// A position in a text, and what can be read from there.
///   scan.begin_object();
///   for (bool first = true; scan.next_member(first, key);) key == "id" ? (void)(id = scan.integer()) : scan.skip();
class JsonScan {
 public:
  JsonScan(std::string_view text, std::size_t at, std::string_view file) : text_(text), file_(file), at_(at) {}

  /// The next character that is not white space, 0 at the end.
  char peek();
  [[nodiscard]] std::size_t at() const { return at_; }
  void begin_object() { expect('{', "an object"); }
  void begin_array() { expect('[', "a list"); }
  /// True when another member (then `key` is its name, valid until the next call) or element follows. `first` starts as true.
  bool next_member(bool& first, std::string_view& key);
  bool next_element(bool& first);
  /// Values of a kind. Errors: bad_data.
  double number();            ///< finite
  std::int64_t integer();     ///< 42, but also 42.0 and 4.2e1
  bool flag();                ///< 0 or 1, false or true
  std::string_view string();  ///< without escapes; valid until the next call
  void skip();
  /// Nothing but white space may follow.
  void end();
  /// Error: bad_data, "FILE: /results/3/bbox: WHAT (byte 17)".
  [[noreturn]] void fault(const std::string& what) const;
  /// What stands here, for messages: "a string", "NaN".
  [[nodiscard]] std::string found();

  Place place;

 private:
  void expect(char character, const char* what);
  void literal(std::string_view word);
  double any_number();  ///< infinite where a double cannot hold it
  /// Passes over a string; true when it has escapes. `from`, `to`: its content.
  bool pass_string(std::size_t& from, std::size_t& to);
  void unescape(std::size_t from, std::size_t to);
  std::uint32_t hex4(std::size_t& at) const;
  void skip_nested(int depth);

  std::string_view text_, file_;
  std::size_t at_;
  std::string buffer_;
};

}  // namespace selfsight::score
