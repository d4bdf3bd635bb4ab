#include "weights/zip.h"

#include "core/error.h"

#include <algorithm>
#include <cstdint>

namespace selfsight::weights {
namespace {

constexpr std::uint32_t local_mark = 0x04034b50, entry_mark = 0x02014b50, end_mark = 0x06054b50, end64_mark = 0x06064b50,
                        locator_mark = 0x07064b50;
constexpr std::uint64_t in_extra = 0xFFFFFFFF;  // "see the ZIP64 field"

// Little-endian numbers at places that are checked.
class Fields {
 public:
  Fields(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}
  [[noreturn]] void refuse(const std::string& what) const { core::fail(core::Exit::bad_data, "{}: {}", name_, what); }
  [[nodiscard]] std::span<const std::byte> part(std::uint64_t at, std::uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) refuse("a damaged ZIP archive: it points beyond its end");
    return bytes_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(count));
  }
  [[nodiscard]] std::uint64_t number(std::uint64_t at, int count) const {
    std::uint64_t value = 0;
    const auto from = part(at, static_cast<std::uint64_t>(count));
    for (int i = 0; i < count; ++i) value |= static_cast<std::uint64_t>(from[static_cast<std::size_t>(i)]) << (8 * i);
    return value;
  }
  [[nodiscard]] std::string text(std::uint64_t at, std::uint64_t count) const {
    const auto from = part(at, count);
    return {reinterpret_cast<const char*>(from.data()), from.size()};
  }
  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  const std::string& name_;
};

struct Directory {
  std::uint64_t at = 0, entries = 0;
};

Directory find_directory(const Fields& f) {
  constexpr std::uint64_t end_size = 22, longest_comment = 65535;
  if (f.size() < end_size) f.refuse("too short for a ZIP archive");
  const std::uint64_t furthest = f.size() - end_size - std::min(f.size() - end_size, longest_comment);
  for (std::uint64_t at = f.size() - end_size + 1; at-- > furthest;) {
    if (f.number(at, 4) != end_mark) continue;
    Directory directory{f.number(at + 16, 4), f.number(at + 10, 2)};
    if (at >= 20 && f.number(at - 20, 4) == locator_mark) {
      const std::uint64_t end64 = f.number(at - 12, 8);
      if (f.number(end64, 4) != end64_mark) f.refuse("a damaged ZIP archive: its ZIP64 directory is not where it should be");
      directory = {f.number(end64 + 48, 8), f.number(end64 + 32, 8)};
    }
    return directory;
  }
  f.refuse("a damaged or truncated ZIP archive: it has no directory");
}

}  // namespace

bool is_zip(std::span<const std::byte> bytes) { return bytes.size() >= 4 && Fields(bytes, {}).number(0, 4) == local_mark; }

std::map<std::string, std::span<const std::byte>> read_zip(std::span<const std::byte> bytes, const std::string& name) {
  const Fields f(bytes, name);
  const Directory directory = find_directory(f);
  std::map<std::string, std::span<const std::byte>> members;
  std::uint64_t at = directory.at;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (f.number(at, 4) != entry_mark) f.refuse("a damaged ZIP archive: its directory breaks off");
    const std::uint64_t flags = f.number(at + 8, 2), method = f.number(at + 10, 2), name_size = f.number(at + 28, 2),
                        extra_size = f.number(at + 30, 2), comment_size = f.number(at + 32, 2);
    std::uint64_t packed = f.number(at + 20, 4), size = f.number(at + 24, 4), local = f.number(at + 42, 4);
    const std::string member = f.text(at + 46, name_size);
    // ZIP64: the values that did not fit, in this order.
    for (std::uint64_t extra = at + 46 + name_size, end = extra + extra_size; extra + 4 <= end;) {
      const std::uint64_t id = f.number(extra, 2), length = f.number(extra + 2, 2);
      std::uint64_t next = extra + 4;
      if (id == 1)
        for (std::uint64_t* value : {&size, &packed, &local}) {
          if (*value != in_extra || next + 8 > extra + 4 + length) continue;
          *value = f.number(next, 8);
          next += 8;
        }
      extra += 4 + length;
    }
    if ((flags & 1) != 0) f.refuse("member '" + member + "' is encrypted");
    if (method != 0 || packed != size) f.refuse("member '" + member + "' is compressed, which weights are not");
    if (f.number(local, 4) != local_mark) f.refuse("a damaged ZIP archive: member '" + member + "' is not where its directory says");
    const std::uint64_t begin = local + 30 + f.number(local + 26, 2) + f.number(local + 28, 2);
    if (!members.emplace(member, f.part(begin, size)).second) f.refuse("member '" + member + "' comes twice");
    at += 46 + name_size + extra_size + comment_size;
  }
  return members;
}

}  // namespace selfsight::weights
