#include "weights/pickle.h"

#include "core/error.h"

#include <charconv>
#include <cstring>
#include <map>

namespace selfsight::weights {
namespace {

using Kind = PickleValue::Kind;

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Pickle run() {
    for (;;) {
      begin_ = at_;
      const auto opcode = static_cast<char>(take(1)[0]);
      if (opcode == '.') break;
      step(opcode);
    }
    out_.root = pop();
    out_.end = at_;
    return std::move(out_);
  }

 private:
  using Number = std::uint32_t;

  [[noreturn]] void refuse(const std::string& what) const {
    core::fail(core::Exit::bad_data, "{}: byte {} of the pickle: {}", name_, begin_, what);
  }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) refuse(fmt::format("{} bytes are to follow, {} are there", count, bytes_.size() - at_));
    const auto out = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return out;
  }
  std::uint64_t little_endian(int count) {
    std::uint64_t value = 0;
    const auto from = take(static_cast<std::uint64_t>(count));
    for (int i = 0; i < count; ++i) value |= static_cast<std::uint64_t>(from[static_cast<std::size_t>(i)]) << (8 * i);
    return value;
  }
  std::string text(std::uint64_t count) {
    const auto from = take(count);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  std::string line() {
    const auto rest = bytes_.subspan(at_);
    const auto* begin = reinterpret_cast<const char*>(rest.data());
    const auto* end = rest.empty() ? nullptr : static_cast<const char*>(std::memchr(begin, '\n', rest.size()));
    if (end == nullptr) refuse("a line without an end");
    std::string out = text(static_cast<std::uint64_t>(end - begin));
    take(1);
    return out;
  }

  Number add(PickleValue value) {
    if (out_.values.size() >= std::size_t{1} << 31) refuse("too many values");
    out_.values.push_back(std::move(value));
    return static_cast<Number>(out_.values.size() - 1);
  }
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  void push(Kind kind, std::vector<Number> items = {}) { push({.kind = kind, .items = std::move(items)}); }
  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  void push_text(std::string value, Kind kind = Kind::text) { push({.kind = kind, .text = std::move(value)}); }
  Number pop() {
    if (stack_.size() <= floor()) refuse("the stack is empty");
    const Number top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Number top() {
    if (stack_.size() <= floor()) refuse("the stack is empty");
    return stack_.back();
  }
  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  std::vector<Number> pop_to_mark() {
    if (marks_.empty()) refuse("no mark");
    std::vector<Number> out(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  std::vector<Number> pop_several(std::size_t count) {
    std::vector<Number> out(count);
    for (std::size_t i = count; i > 0; --i) out[i - 1] = pop();
    return out;
  }
  void extend(const std::vector<Number>& more, Kind kind) {
    PickleValue& value = out_.values[top()];
    const bool called = value.kind == Kind::call;  // an OrderedDict, a defaultdict, a set: filled after it was called for
    if (value.kind != kind && !called) refuse("items for what cannot hold them");
    if (kind == Kind::mapping && more.size() % 2 != 0) refuse("a key without a value");
    if (!called) {
      value.items.insert(value.items.end(), more.begin(), more.end());
      return;
    }
    // Kept in a container of its own, as if it were the object's state.
    const Number made = out_.values[top()].items.size() > 2 ? out_.values[top()].items[2] : add({.kind = kind});
    PickleValue& object = out_.values[top()];
    if (object.items.size() == 2) object.items.push_back(made);
    PickleValue& held = out_.values[made];
    if (held.kind != kind) refuse("items of two kinds for one object");
    held.items.insert(held.items.end(), more.begin(), more.end());
  }
  void remember(std::uint64_t key) { memo_[key] = top(); }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) refuse(fmt::format("nothing was remembered as {}", key));
    stack_.push_back(found->second);
  }
  std::uint64_t decimal(const std::string& digits) const {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(fmt::format("'{}' is no number", digits));
    return value;
  }
  void push_long(std::uint64_t count) {
    const auto from = take(count);
    if (count > 8) {
      // Larger than any number of ours; the legacy format begins with one of these, as its mark. Its lowest 63 bits tell it apart.
      std::uint64_t low = 0;
      std::memcpy(&low, from.data(), 8);
      push({.kind = Kind::integer, .integer = static_cast<std::int64_t>(low & ~(std::uint64_t{1} << 63)), .text = "long"});
      return;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < from.size(); ++i) value |= static_cast<std::uint64_t>(from[i]) << (8 * i);
    if (count > 0 && count < 8 && (static_cast<unsigned>(from[from.size() - 1]) & 0x80U) != 0) value |= ~std::uint64_t{0} << (8 * count);
    push_integer(static_cast<std::int64_t>(value));
  }
  void push_line_integer(std::string digits) {
    if (digits.ends_with('L')) digits.pop_back();
    if (digits == "00" || digits == "01") return push({.kind = Kind::boolean, .integer = digits == "01"});
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(fmt::format("'{}' is no whole number of 64 bits", digits));
    push_integer(value);
  }
  void push_line_real(const std::string& digits) {
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(fmt::format("'{}' is no number", digits));
    push({.kind = Kind::real, .real = value});
  }
  void push_big_endian_real() {
    const auto from = take(8);
    std::uint64_t bits = 0;
    for (const std::byte one : from) bits = bits << 8 | static_cast<std::uint64_t>(one);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    push({.kind = Kind::real, .real = value});
  }
  void call(Number function, Number arguments) {
    if (out_.at(function).kind != Kind::name && out_.at(function).kind != Kind::call) refuse("a call of what is no class or function");
    if (out_.at(arguments).kind != Kind::sequence) refuse("a call without a tuple of arguments");
    push(Kind::call, {function, arguments});
  }
  void build() {
    const Number state = pop();
    PickleValue& object = out_.values[top()];
    if (object.kind == Kind::mapping || object.kind == Kind::sequence) return;  // attributes of a container: none that we know
    if (object.kind != Kind::call) refuse("a state for what is no object");
    if (object.items.size() == 2) object.items.push_back(state);
  }
  void step(char opcode);

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 0, begin_ = 0;
  Pickle out_;
  std::vector<Number> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, Number> memo_;
};

void Machine::step(char opcode) {
  switch (static_cast<unsigned char>(opcode)) {
    case 0x80:  // PROTO
      if (const auto version = little_endian(1); version > 5) refuse(fmt::format("protocol {}", version));
      return;
    case 0x95:  // FRAME
      take(8);
      return;
    case '(':
      marks_.push_back(stack_.size());
      return;
    case '0':
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return;
    case '1':
      pop_to_mark();
      return;
    case '2':
      stack_.push_back(top());
      return;
    case 'N':
      return push(Kind::none);
    case 0x88:
      return push({.kind = Kind::boolean, .integer = 1});
    case 0x89:
      return push({.kind = Kind::boolean, .integer = 0});
    case 'I':
    case 'L':
      return push_line_integer(line());
    case 'J':
      return push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(little_endian(4))));
    case 'K':
      return push_integer(static_cast<std::int64_t>(little_endian(1)));
    case 'M':
      return push_integer(static_cast<std::int64_t>(little_endian(2)));
    case 0x8a:
      return push_long(little_endian(1));
    case 0x8b:
      return push_long(little_endian(4));
    case 'F':
      return push_line_real(line());
    case 'G':
      return push_big_endian_real();
    case 'S':
    case 'V': {
      std::string quoted = line();
      if (opcode == 'S' && quoted.size() >= 2 && (quoted.front() == '\'' || quoted.front() == '"'))
        quoted = quoted.substr(1, quoted.size() - 2);
      return push_text(std::move(quoted));
    }
    case 'T':
    case 'X':
      return push_text(text(little_endian(4)));
    case 'U':
    case 0x8c:
      return push_text(text(little_endian(1)));
    case 0x8d:
      return push_text(text(little_endian(8)));
    case 'B':
      return push_text(text(little_endian(4)), Kind::bytes);
    case 'C':
      return push_text(text(little_endian(1)), Kind::bytes);
    case 0x8e:
    case 0x96:
      return push_text(text(little_endian(8)), Kind::bytes);
    case ')':
    case ']':
    case 0x8f:
      return push(Kind::sequence);
    case '}':
      return push(Kind::mapping);
    case 't':
    case 'l':
    case 0x91:
      return push(Kind::sequence, pop_to_mark());
    case 'd': {
      std::vector<Number> items = pop_to_mark();
      if (items.size() % 2 != 0) refuse("a key without a value");
      return push(Kind::mapping, std::move(items));
    }
    case 0x85:
    case 0x86:
    case 0x87:
      return push(Kind::sequence, pop_several(static_cast<std::size_t>(static_cast<unsigned char>(opcode) - 0x84)));
    case 'a': {
      const Number item = pop();
      return extend({item}, Kind::sequence);
    }
    case 'e':
    case 0x90:
      return extend(pop_to_mark(), Kind::sequence);
    case 's':
      return extend(pop_several(2), Kind::mapping);
    case 'u':
      return extend(pop_to_mark(), Kind::mapping);
    case 'q':
      return remember(little_endian(1));
    case 'r':
      return remember(little_endian(4));
    case 'p':
      return remember(decimal(line()));
    case 0x94:
      return remember(memo_.size());
    case 'h':
      return recall(little_endian(1));
    case 'j':
      return recall(little_endian(4));
    case 'g':
      return recall(decimal(line()));
    case 'c': {
      const std::string module = line(), name = line();
      return push_text(module + "." + name, Kind::name);
    }
    case 0x93: {
      const auto parts = pop_several(2);
      if (out_.at(parts[0]).kind != Kind::text || out_.at(parts[1]).kind != Kind::text) refuse("a name that is no text");
      constexpr std::size_t longest = 1024;
      if (out_.at(parts[0]).text.size() + out_.at(parts[1]).text.size() > longest) refuse("a name of more than 1,024 letters");
      return push_text(out_.at(parts[0]).text + "." + out_.at(parts[1]).text, Kind::name);
    }
    case 'R':
    case 0x81: {
      const auto parts = pop_several(2);
      return call(parts[0], parts[1]);
    }
    case 0x92: {
      const auto parts = pop_several(3);
      return call(parts[0], parts[1]);
    }
    case 'b':
      return build();
    case 'Q': {
      const Number identity = pop();
      return push(Kind::persistent, {identity});
    }
    case 'P': {
      const Number identity = add({.kind = Kind::text, .text = line()});
      return push(Kind::persistent, {identity});
    }
    default:
      refuse(fmt::format("unknown opcode 0x{:02x}", static_cast<unsigned char>(opcode)));
  }
}

}  // namespace

const PickleValue* Pickle::find(const PickleValue& mapping, const std::string& key) const {
  for (std::size_t i = 0; i + 1 < mapping.items.size(); i += 2)
    if (at(mapping.items[i]).kind == PickleValue::Kind::text && at(mapping.items[i]).text == key) return &at(mapping.items[i + 1]);
  return nullptr;
}

Pickle read_pickle(std::span<const std::byte> bytes, const std::string& name) { return Machine(bytes, name).run(); }

}  // namespace selfsight::weights
