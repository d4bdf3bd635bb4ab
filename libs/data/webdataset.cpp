#include "data/webdataset.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "data/shard_index.h"
#include "data/source.h"
#include "data/tar.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;
using Label = decltype(WebSample::label);

constexpr std::uint64_t largest_text = std::uint64_t{16} << 20;  // of a .cls or .json member: none is longer than that

struct Member {
  std::string ending;  ///< in small letters, all behind the first dot: "seg.png"
  const TarEntry* entry;
};

struct Group {
  std::string stem;
  std::vector<Member> members;

  [[nodiscard]] const Member* find(const std::string& ending) const {
    const auto at = std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.ending == ending; });
    return at == members.end() ? nullptr : &*at;
  }
};

// How compressed files begin, and the programs that unpack them.
struct Packer {
  std::string_view magic, program;
};
constexpr Packer packers[] = {
    {"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"\xfd\x37zXZ", "xz"}, {"BZh", "bzip2"}, {"\x04\x22\x4d\x18", "lz4"}};

std::string_view text_at(std::span<const std::byte> bytes, std::uint64_t at, std::uint64_t size) {
  return {reinterpret_cast<const char*>(bytes.data()) + at, static_cast<std::size_t>(size)};
}

void refuse_packed(std::span<const std::byte> bytes, const fs::path& tar) {
  if (bytes.empty()) fail(Exit::bad_data, "{}: is empty", tar.string());
  for (const Packer& packer : packers)
    if (text_at(bytes, 0, bytes.size()).starts_with(packer.magic))
      fail(Exit::bad_data,
           "{}: is compressed, so no sample in it can be reached without what lies before it; unpack it to a plain tar ({} -dk)",
           tar.string(), packer.program);
}

// Files whose names begin with a dot, and what has no ending, belong to no sample.
std::vector<Group> groups_of(const std::vector<TarEntry>& entries, const fs::path& tar) {
  std::vector<Group> groups;
  std::unordered_map<std::string, std::size_t> number;
  for (const TarEntry& entry : entries) {
    const std::size_t base = entry.name.rfind('/') + 1, dot = entry.name.find('.', base);
    if (entry.folder || dot == std::string::npos || dot == base) continue;
    Member member{small_letters(entry.name.substr(dot + 1)), &entry};
    std::string stem = entry.name.substr(0, dot);
    const auto [at, fresh] = number.emplace(stem, groups.size());
    if (fresh) groups.push_back({std::move(stem), {}});
    Group& group = groups[at->second];
    constexpr std::size_t most_members = 256;
    if (group.members.size() == most_members)
      fail(Exit::bad_data, "{}: more than {} members are called '{}.*'", tar.string(), most_members, group.stem);
    if (const Member* twin = group.find(member.ending))
      fail(Exit::bad_data, "{}: two members are called '{}'{}", tar.string(), entry.name,
           twin->entry->name == entry.name ? "" : " but for capital letters");
    group.members.push_back(std::move(member));
  }
  return groups;
}

bool is_plain_image(const Member& member) { return member.ending.find('.') == std::string::npos && is_image_name("x." + member.ending); }

const Member* image_of(const Group& group, const std::string& wanted, const fs::path& tar) {
  if (wanted != "auto") return group.find(wanted);
  const Member* found = nullptr;
  for (const Member& member : group.members) {
    if (!is_plain_image(member)) continue;
    if (found != nullptr)
      fail(Exit::bad_data, "{}: '{}' has several images ({}, {}): say which with --image {}", tar.string(), group.stem, found->ending,
           member.ending, found->ending);
    found = &member;
  }
  return found;
}

std::int64_t class_number(std::int64_t number, const std::string& origin) {
  if (number < 0 || number >= most_classes)
    fail(Exit::bad_data, "{}: {} is no class number from 0 to {}", origin, number, most_classes - 1);
  return number;
}

Label label_from_cls(std::string_view text, const std::string& origin) {
  constexpr std::string_view blanks = " \t\r\n";
  std::string_view digits = text.substr(std::min(text.find_first_not_of(blanks), text.size()));
  digits = digits.substr(0, digits.find_last_not_of(blanks) + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size())
    fail(Exit::bad_data, "{}: '{}' is no whole number", origin, digits.substr(0, 40));
  return class_number(number, origin);
}

Label label_from_json(std::string_view text, const std::string& key, const std::string& origin) {
  const nlohmann::json object = manifest::parse_json(text, origin);
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) fail(Exit::bad_data, "{}: has no '{}'", origin, key);
  if (found->is_string() && !found->get_ref<const std::string&>().empty()) return found->get<std::string>();
  if (!found->is_number_integer()) fail(Exit::bad_data, "{}: '{}' is neither a class number nor a class name", origin, key);
  return class_number(found->get<std::int64_t>(), origin);
}

/// The label of a group; `used` becomes the member that tells it.
Label label_of(const Group& group, const std::string& wanted, std::span<const std::byte> bytes, const fs::path& tar, const Member*& used) {
  constexpr std::string_view json = "json:";
  const bool of_json = wanted.starts_with(json);
  used = wanted == "none" ? nullptr : group.find(of_json ? "json" : "cls");
  if (used == nullptr) {
    if (wanted == "auto" || wanted == "none") return {};
    fail(Exit::bad_data, "{}: '{}' has no .{} member", tar.string(), group.stem, of_json ? "json" : "cls");
  }
  const std::string origin = tar.string() + ": " + used->entry->name;
  if (used->entry->size > largest_text) fail(Exit::bad_data, "{}: {} bytes for a label", origin, used->entry->size);
  const std::string_view text = text_at(bytes, used->entry->offset, used->entry->size);
  return of_json ? label_from_json(text, wanted.substr(json.size()), origin) : label_from_cls(text, origin);
}

}  // namespace

WebShard read_web_shard(const fs::path& tar, const WebMembers& members) {
  const core::MappedFile file(tar);
  const std::span<const std::byte> bytes = file.bytes();
  refuse_packed(bytes, tar);
  const std::vector<TarEntry> entries = list_tar(bytes, tar);
  const auto header_of = [&](const TarEntry& entry) { return bytes.subspan(entry.offset - tar_block, tar_block); };
  core::Digest headers;
  for (const TarEntry& entry : entries) headers.add(header_of(entry));

  WebShard shard;
  shard.bytes = static_cast<std::int64_t>(bytes.size());
  shard.digest = headers.finish();
  for (const Group& group : groups_of(entries, tar)) {
    const Member *image = image_of(group, members.image, tar), *label_member = nullptr;
    if (image == nullptr) {
      shard.without_image.push_back(group.stem);
    } else {
      Label label = label_of(group, members.label, bytes, tar, label_member);
      shard.samples.push_back({image->entry->name, static_cast<std::int64_t>(image->entry->offset),
                               static_cast<std::int64_t>(image->entry->size), header_mark(header_of(*image->entry)), std::move(label)});
    }
    for (const Member& member : group.members)
      if (&member != image && &member != label_member) ++shard.passed_over[member.ending];
  }
  return shard;
}

}  // namespace selfsight::data
