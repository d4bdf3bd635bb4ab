// Tar archives: of classes, and as WebDataset's shards. A checksum stands in every header, and no random change gets past it: each input
// is read as it is, and once more with them put right.
#include "data/tar.h"
#include "data/tar_index.h"
#include "data/webdataset.h"
#include "fuzz/samples.h"

namespace selfsight::fuzz {
namespace {

constexpr std::size_t block = data::tar_block;

std::string with_checksums(Bytes bytes) {
  std::string out(text_of(bytes));
  for (std::size_t at = 0; at + block <= out.size();) {
    std::size_t sum = 0, size = 0;
    for (std::size_t i = 0; i < block; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(out[at + i]);
    if (sum == 8 * ' ') return out;  // the end mark
    out.replace(at + 148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    for (std::size_t i = 124; i < 135 && out[at + i] >= '0' && out[at + i] <= '7'; ++i)
      size = size * 8 + static_cast<std::size_t>(out[at + i] - '0');
    at += block + (size + block - 1) / block * block;
  }
  return out;
}

void use_archive(Bytes bytes) {
  attempt([&] {
    for (const data::TarEntry& entry : data::list_tar(bytes, "archive")) {
      touch(bytes.subspan(entry.offset, entry.size));
      if (core::safe_entry(entry.name, "archive") != entry.name) std::abort();
    }
  });
  const fs::path path = file_of("archive.tar", bytes);
  use_described("tar-folders", path);
  for (const char* label : {"auto", "json:label", "none"})
    attempt([&] {
      const data::WebShard shard = data::read_web_shard(path, {"auto", label});
      for (const data::WebSample& sample : shard.samples) {
        if (sample.offset < static_cast<std::int64_t>(block) || sample.size > shard.bytes - sample.offset) std::abort();
        touch(bytes.subspan(static_cast<std::size_t>(sample.offset), static_cast<std::size_t>(sample.size)));
      }
    });
}

}  // namespace

void try_input(Bytes bytes) {
  use_archive(bytes);
  const std::string mended = with_checksums(bytes);
  if (mended != text_of(bytes)) use_archive(bytes_of(mended));
}

}  // namespace selfsight::fuzz
