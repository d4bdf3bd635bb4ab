// Python's pickle, read as data: a machine that knows the opcodes and runs nothing. Objects of classes are not made; what asks for one is
// kept as a call, with the class's name and its arguments, for the reader to make sense of or refuse.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace selfsight::weights {

/// A value and, by their numbers in the document, what it holds. Numbers instead of pointers: values may hold each other, and a document of
/// a million lists within lists must not be a million calls deep.
struct PickleValue {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    bytes,
    sequence,    ///< list, tuple, set
    mapping,     ///< items: key, value, key, value, ...
    name,        ///< a class or function: text is "module.name"
    call,        ///< items: what is called, its arguments (a sequence), and the state that it is given afterwards if any
    persistent,  ///< items: the identity of something outside of the pickle
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;  ///< also of a boolean
  double real = 0;
  std::string text;  ///< also bytes
  std::vector<std::uint32_t> items;
};

struct Pickle {
  std::vector<PickleValue> values;
  std::uint32_t root = 0;
  std::size_t end = 0;  ///< bytes read

  [[nodiscard]] const PickleValue& at(std::uint32_t number) const { return values[number]; }
  /// Value of a text key in a mapping, or null.
  [[nodiscard]] const PickleValue* find(const PickleValue& mapping, const std::string& key) const;
};

/// Reads one pickle of protocol 0 to 5 from the beginning of `bytes`. Memory is at most some two hundred times the bytes read. Errors:
/// bad_data
/// ("NAME: byte 17: ..."): an unknown opcode, an end before STOP, a length beyond the end, a stack that runs empty.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& name);

}  // namespace selfsight::weights
