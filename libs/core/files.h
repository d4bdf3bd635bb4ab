// Files that are written whole or not at all, and bytes that are read with a clear error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace selfsight::core {

namespace fs = std::filesystem;

/// The whole file. Errors: no_input when it cannot be opened, io when reading breaks off.
std::vector<std::byte> read_bytes(const fs::path& path);
/// The same as text, without the byte order mark that some editors begin a file with.
std::string read_text(const fs::path& path);
/// Whole of stdin, as read_text.
std::string read_stdin();
/// The text behind a byte order mark of UTF-8, where it begins with one.
std::string_view without_mark(std::string_view text);
/// Writes all of `text` to stdout and flushes it. A reader that has closed its end of the pipe is no error. Error: io.
void write_stdout(std::string_view text);

/// Writes beside `path` under a temporary name, syncs, renames, syncs the folder. Creates missing parent folders.
/// Errors: cannot_create when the folder or file cannot be made, io when writing breaks off (disk full); then nothing is left behind.
void write_atomically(const fs::path& path, std::span<const std::byte> bytes);
void write_atomically(const fs::path& path, std::string_view text);
/// The same for content made piece by piece: `make` gets a function that appends.
using ByteSink = std::function<void(std::span<const std::byte> bytes)>;
void write_atomically_from(const fs::path& path, const std::function<void(const ByteSink& append)>& make);
/// The same for a library that wants a path: `make` gets the temporary one.
void write_atomically_with(const fs::path& path, const std::function<void(const fs::path& temporary)>& make);

/// Makes a folder in one step: `fill` writes into a temporary sibling, which is synced and renamed to `path`. `path` must not exist. What a
/// killed run left of the same folder is removed first.
void create_folder_atomically(const fs::path& path, const std::function<void(const fs::path& temporary)>& fill);
/// Removes temporaries that killed runs left in `folder`, told by their names; those of processes that still run here are kept.
void remove_leftovers(const fs::path& folder);

/// Whether a folder is there; false where that cannot be told.
bool is_folder(const fs::path& path);
/// Makes sure of it. Errors, naming `what` the path is ("--truth"): no_input (nothing is there), bad_data (a file is).
void need_folder(const fs::path& path, const std::string& what);
/// Creates a folder and its parents. Error: cannot_create, with the reason.
void make_folder(const fs::path& path);
/// Free bytes of the file system that holds `path` (or its nearest existing parent).
std::uint64_t free_space(const fs::path& path);
/// Absolute by the working folder (which "" stands for), without "." and "..", without a slash at the end; nothing is looked up on the
/// disk.
fs::path absolute_path(const fs::path& path);
/// `path` relative to `base` where it lies below it, absolute otherwise.
fs::path relative_or_absolute(const fs::path& path, const fs::path& base);
/// An entry name of an archive, refused (bad_data) when it is absolute, has "..", a zero byte, or is empty.
fs::path safe_entry(std::string_view name, const fs::path& archive);

/// A read-only memory map.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  /// Tells the system that these bytes are read next: they come from the disk in one piece, and nothing around them does.
  void will_need(std::size_t offset, std::size_t size) const;

 private:
  std::span<const std::byte> bytes_;
};

/// Inflates a gzip buffer. Errors: bad_data (`name` is what the message calls it) when damaged or larger than `limit`.
std::vector<std::byte> gunzip(std::span<const std::byte> bytes, const std::string& name, std::uint64_t limit = std::uint64_t{1} << 36);
/// True when the bytes start with the gzip magic.
bool is_gzip(std::span<const std::byte> bytes);

}  // namespace selfsight::core
