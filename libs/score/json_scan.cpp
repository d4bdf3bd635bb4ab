#include "score/json_scan.h"

#include "core/digest.h"
#include "core/error.h"

#include <sys/mman.h>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace selfsight::score {

namespace {

constexpr std::size_t resident = std::size_t{24} << 20;  // bytes of a text that stay in memory
constexpr int deepest_nesting = 200;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Characters that end the plain part of a string: the quote, the backslash, control characters.
struct Stops {
  bool stop[256] = {};
  constexpr Stops() {
    for (int c = 0; c < 0x20; ++c) stop[c] = true;
    stop[static_cast<unsigned char>('"')] = stop[static_cast<unsigned char>('\\')] = true;
  }
};
constexpr Stops stops;

/// Powers of ten that a double holds exactly.
constexpr double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

}  // namespace

PagedText::PagedText(const core::fs::path& path)
    : file_([&] {
        std::error_code ignored;
        if (core::fs::exists(path, ignored) && !core::fs::is_regular_file(path, ignored) && !core::fs::is_directory(path, ignored))
          core::fail(core::Exit::bad_data, "{}: is no regular file, and a pipe cannot be read twice: store it first", path.string());
        return path;
      }()),
      name_(path.string()) {
  if (file_.bytes().empty()) core::fail(core::Exit::bad_data, "{}: is empty", name_);
}

std::string_view PagedText::text() const {
  const auto bytes = file_.bytes();
  return core::without_mark({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void PagedText::used(std::size_t bytes) {
  if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes < resident) return;
  used_.store(0, std::memory_order_relaxed);
  ::madvise(const_cast<std::byte*>(file_.bytes().data()), file_.bytes().size(), MADV_DONTNEED);
}

std::string PagedText::digest() {
  core::Digest out;
  constexpr std::size_t piece = std::size_t{1} << 20;
  const auto bytes = file_.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
    out.add(part);
    used(part.size());
  }
  return out.finish();
}

std::string Place::pointer() const {
  std::string out;
  if (!list.empty()) out += fmt::format("/{}", list);
  if (item >= 0) out += fmt::format("/{}", item);
  if (!field.empty()) out += fmt::format("/{}", field);
  return out;
}

void JsonScan::fault(const std::string& what) const {
  const std::string pointer = place.pointer();
  core::fail(core::Exit::bad_data, "{}: {}{}{} (byte {})", file_, pointer, pointer.empty() ? "" : ": ", what, at_);
}

std::string JsonScan::found() {
  switch (const char c = peek()) {
    case 0:
      return at_ < text_.size() ? "a NUL character" : "the end of the file";
    case '{':
      return "an object";
    case '[':
      return "a list";
    case '"':
      return "a string";
    default: {
      if (is_digit(c) || c == '-')
        return "the number " + std::string(text_.substr(at_, text_.find_first_of(", \n\r\t]}", at_) - at_)).substr(0, 40);
      std::size_t end = at_;
      while (end < text_.size() && end - at_ < 20 && std::isalpha(static_cast<unsigned char>(text_[end])) != 0) ++end;
      if (end > at_) return std::string(text_.substr(at_, end - at_));
      return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f
                 ? fmt::format("the byte 0x{:02x}", static_cast<unsigned char>(c))
                 : fmt::format("'{}'", c);
    }
  }
}

char JsonScan::peek() {
  while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonScan::expect(char character, const char* what) {
  if (peek() != character) fault(fmt::format("expected {}, found {}", what, found()));
  ++at_;
}

bool JsonScan::next_member(bool& first, std::string_view& key) {
  const char next = peek();
  if (next == '}') {
    ++at_;
    return false;
  }
  if (!first) expect(',', "',' or '}'");
  first = false;
  if (peek() != '"') fault(fmt::format("expected the name of a field, found {}", found()));
  key = string();
  expect(':', "':'");
  return true;
}

bool JsonScan::next_element(bool& first) {
  const char next = peek();
  if (next == ']') {
    ++at_;
    return false;
  }
  if (!first) {
    expect(',', "',' or ']'");
    if (peek() == ']') fault("expected a value behind ',', found ']'");
  }
  first = false;
  return true;
}

double JsonScan::number() {
  peek();
  const std::size_t begin = at_;
  const double value = any_number();
  if (!std::isfinite(value)) {
    at_ = begin;
    fault(fmt::format("expected a number that a double can hold, found {}", found()));
  }
  return value;
}

double JsonScan::any_number() {
  const char start = peek();
  if (!is_digit(start) && start != '-') fault(fmt::format("expected a number, found {}", found()));
  const std::size_t begin = at_;
  std::size_t at = at_ + (start == '-' ? 1 : 0);
  const auto digit = [&] { return at < text_.size() && is_digit(text_[at]); };
  std::uint64_t mantissa = 0;
  int digits = 0, exponent = 0;
  const auto take_digits = [&] {
    const std::size_t from = at;
    for (; digit(); ++at) {
      if (digits < 19) mantissa = mantissa * 10 + static_cast<std::uint64_t>(text_[at] - '0');
      if (mantissa != 0) ++digits;
    }
    if (at == from) {
      at_ = at;
      fault("expected a digit");
    }
    return static_cast<int>(std::min<std::size_t>(at - from, 1000));
  };
  const std::size_t whole = at;
  take_digits();
  if (text_[whole] == '0' && at - whole > 1) fault("a number may not start with 0");
  if (at < text_.size() && text_[at] == '.') {
    ++at;
    exponent -= take_digits();
  }
  bool plain = digits <= 19;
  if (at < text_.size() && (text_[at] == 'e' || text_[at] == 'E')) {
    ++at;
    if (at < text_.size() && (text_[at] == '+' || text_[at] == '-')) ++at;
    if (!digit()) {
      at_ = at;
      fault("expected a digit");
    }
    while (digit()) ++at;
    plain = false;
  }
  at_ = at;
  // Whole numbers and powers of ten that are exact give an exact quotient (Clinger 1990); the rest is the library's work.
  if (plain && mantissa <= (std::uint64_t{1} << 53) && exponent >= -22) {
    const double value = static_cast<double>(mantissa) / powers[-exponent];
    return start == '-' ? -value : value;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text_.data() + begin, text_.data() + at, value);
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(text_.substr(begin, at - begin)).c_str(), nullptr);
  return value;
}

std::int64_t JsonScan::integer() {
  const char start = peek();
  const std::size_t begin = at_;
  std::int64_t out = 0;
  if (is_digit(start) || start == '-') {
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), out);
    const std::size_t digits = static_cast<std::size_t>(end - text_.data()) - at_ - (start == '-' ? 1 : 0);
    const char next = end < text_.data() + text_.size() ? *end : ' ';
    if (error == std::errc() && next != '.' && next != 'e' && next != 'E' && !(digits > 1 && text_[at_ + (start == '-' ? 1 : 0)] == '0')) {
      at_ = static_cast<std::size_t>(end - text_.data());
      return out;
    }
  }
  const double value = number();
  if (value != std::floor(value) || std::abs(value) > 0x1p53) {
    at_ = begin;
    fault(fmt::format("expected a whole number, found {}", found()));
  }
  return static_cast<std::int64_t>(value);
}

bool JsonScan::flag() {
  const char start = peek();
  if (start == 't' || start == 'f') {
    literal(start == 't' ? "true" : "false");
    return start == 't';
  }
  const std::size_t begin = at_;
  const std::int64_t value = integer();
  if (value != 0 && value != 1) {
    at_ = begin;
    fault(fmt::format("expected 0 or 1, found {}", found()));
  }
  return value == 1;
}

bool JsonScan::pass_string(std::size_t& from, std::size_t& to) {
  expect('"', "a string");
  from = at_;
  bool escapes = false;
  const char* p = text_.data() + at_;
  const char* const end = text_.data() + text_.size();
  for (;;) {
    while (p < end && !stops.stop[static_cast<unsigned char>(*p)]) ++p;
    at_ = static_cast<std::size_t>(p - text_.data());
    if (p == end) fault("a string without an end");
    if (*p == '"') break;
    if (*p != '\\') fault(fmt::format("the control character 0x{:02x} in a string", static_cast<unsigned char>(*p)));
    escapes = true;
    const char kind = p + 1 < end ? p[1] : '\0';
    if (kind == 'u') {
      std::size_t hex = at_ + 2;
      hex4(hex);
      p += 6;
    } else if (std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos && kind != '\0') {
      p += 2;
    } else {
      fault("an escape that JSON does not have");
    }
  }
  to = at_++;
  return escapes;
}

std::uint32_t JsonScan::hex4(std::size_t& at) const {
  std::uint32_t out = 0;
  if (at + 4 > text_.size()) fault("a string without an end");
  const auto [end, error] = std::from_chars(text_.data() + at, text_.data() + at + 4, out, 16);
  if (error != std::errc() || end != text_.data() + at + 4) fault("an escape \\u without four hex digits");
  at += 4;
  return out;
}

void JsonScan::unescape(std::size_t from, std::size_t to) {
  buffer_.clear();
  const auto put = [&](std::uint32_t code) {
    if (code < 0x80) {
      buffer_ += static_cast<char>(code);
    } else if (code < 0x800) {
      buffer_ += static_cast<char>(0xc0 | code >> 6);
      buffer_ += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      buffer_ += static_cast<char>(0xe0 | code >> 12);
      buffer_ += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      buffer_ += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      buffer_ += static_cast<char>(0xf0 | code >> 18);
      buffer_ += static_cast<char>(0x80 | (code >> 12 & 0x3f));
      buffer_ += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      buffer_ += static_cast<char>(0x80 | (code & 0x3f));
    }
  };
  for (std::size_t at = from; at < to;) {
    const std::size_t next = std::min(text_.find('\\', at), to);
    buffer_.append(text_, at, next - at);
    if (next == to) break;
    const char kind = text_[next + 1];
    at = next + 2;
    if (kind != 'u') {
      constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
      buffer_ += meanings[names.find(kind)];
      continue;
    }
    std::uint32_t code = hex4(at);
    if (code >= 0xd800 && code < 0xe000) {
      std::size_t second = at + 2;
      const bool pair = code < 0xdc00 && at + 6 <= to && text_.substr(at, 2) == "\\u";
      const std::uint32_t low = pair ? hex4(second) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at = second;
      } else {
        code = 0xfffd;  // half a pair stands for no character
      }
    }
    put(code);
  }
}

std::string_view JsonScan::string() {
  std::size_t from = 0, to = 0;
  if (!pass_string(from, to)) return text_.substr(from, to - from);
  unescape(from, to);
  return buffer_;
}

void JsonScan::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) fault(fmt::format("expected a value, found {}", found()));
  at_ += word.size();
}

void JsonScan::skip() { skip_nested(0); }

void JsonScan::skip_nested(int depth) {
  if (depth > deepest_nesting) fault(fmt::format("JSON nested deeper than {} levels", deepest_nesting));
  switch (peek()) {
    case '{': {
      begin_object();
      std::string_view key;
      for (bool first = true; next_member(first, key);) skip_nested(depth + 1);
      break;
    }
    case '[':
      begin_array();
      for (bool first = true; next_element(first);) skip_nested(depth + 1);
      break;
    case '"': {
      std::size_t from = 0, to = 0;
      pass_string(from, to);
      break;
    }
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      if (!is_digit(text_.size() > at_ ? text_[at_] : ' ') && peek() != '-') fault(fmt::format("expected a value, found {}", found()));
      any_number();
  }
}

void JsonScan::end() {
  if (peek() != 0 || at_ < text_.size()) fault(fmt::format("expected the end of the file, found {}", found()));
}

}  // namespace selfsight::score
