#include "core/files.h"

#include "core/error.h"
#include "core/host.h"

#include <zlib.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace selfsight::core {

namespace {

constexpr std::string_view temporary_mark = ".selfsight-tmp-";

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  /// close() with its verdict: on some file systems that is where a full disk shows.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

[[noreturn]] void input_error(const fs::path& path) {
  const int error = errno;
  fail(error == EIO ? Exit::io : Exit::no_input, "{}: {}", path.string(), std::strerror(error));
}

[[noreturn]] void output_error(const fs::path& path, Exit otherwise) {
  const int error = errno;
  if (error == ENOSPC || error == EDQUOT) fail(Exit::io, "{}: no space left on the device; nothing was changed", path.string());
  fail(error == EFBIG || error == EIO ? Exit::io : otherwise, "{}: {}; nothing was changed", path.string(), std::strerror(error));
}

/// Tells this host from others that may share its disks.
std::string host_mark() { return fmt::format("{:08x}", static_cast<std::uint32_t>(std::hash<std::string>()(host_name()))); }

fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  const fs::path folder = path.parent_path();
  return folder / fmt::format(".{}{}{}-{}-{}", path.filename().string(), temporary_mark, ::getpid(), counter++, host_mark());
}

void sync_path(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) output_error(path, Exit::io);
}

void sync_folder(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() >= 0) ::fsync(file.get());  // some network file systems refuse; the rename itself stands
}

void write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) output_error(path, Exit::io);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

template <class Container>
Container read_descriptor(int fd, std::size_t expected, const fs::path& path) {
  Container out;
  out.resize(expected + 1);  // one more, so that a file of the expected size ends in one read
  std::size_t size = 0;
  for (;;) {
    if (size == out.size()) out.resize(out.size() * 2);
    const ssize_t got = ::read(fd, out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(errno == EISDIR ? Exit::no_input : Exit::io, "{}: {}", path.string(), std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  out.resize(size);
  return out;
}

template <class Container>
Container read_file(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) input_error(path);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) input_error(path);
  return read_descriptor<Container>(file.get(), static_cast<std::size_t>(std::max<off_t>(facts.st_size, 4095)), path);
}

void rename_into_place(const fs::path& temporary, const fs::path& path) {
  if (::rename(temporary.c_str(), path.c_str()) != 0) output_error(path, Exit::cannot_create);
  sync_folder(path);
}

/// Whether a temporary of this name was left by a process that is gone, as far as this host can tell. `mark`: where temporary_mark stands.
bool is_left(const std::string& name, std::size_t mark) {
  const auto owner = static_cast<pid_t>(std::strtol(name.c_str() + mark + temporary_mark.size(), nullptr, 10));
  return owner > 0 && (owner == ::getpid() || (::kill(owner, 0) != 0 && errno != EPERM));
}

void remove_leftovers_if(const fs::path& folder, const std::function<bool(const std::string& name, std::size_t mark)>& wanted) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const std::size_t mark = name.rfind(temporary_mark);
    if (!name.starts_with('.') || mark == std::string::npos || !is_left(name, mark) || !wanted(name, mark)) continue;
    std::error_code ignored;
    fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

std::vector<std::byte> read_bytes(const fs::path& path) { return read_file<std::vector<std::byte>>(path); }
std::string read_text(const fs::path& path) { return std::string(without_mark(read_file<std::string>(path))); }
std::string read_stdin() { return std::string(without_mark(read_descriptor<std::string>(STDIN_FILENO, 1 << 16, "<stdin>"))); }

std::string_view without_mark(std::string_view text) {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  text.remove_prefix(text.starts_with(mark) ? mark.size() : 0);
  return text;
}

void write_stdout(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) fail(Exit::io, "stdout: {}", std::strerror(errno));
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void need_folder(const fs::path& path, const std::string& what) {
  std::error_code ignored;
  if (is_folder(path)) return;
  if (fs::exists(path, ignored)) fail(Exit::bad_data, "{} {}: is a file, where a folder is expected", what, path.string());
  fail(Exit::no_input, "{} {}: no such folder", what, path.string());
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error == std::errc::no_space_on_device) fail(Exit::io, "{}: no space left on the device", path.string());
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) fail(Exit::cannot_create, "{}: {}", path.string(), error ? error.message() : "is not a folder");
}

void write_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  write_atomically_from(path, [&](const ByteSink& append) { append(bytes); });
}

void write_atomically_from(const fs::path& path, const std::function<void(const ByteSink&)>& make) {
  write_atomically_with(path, [&](const fs::path& temporary) {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0) output_error(path, Exit::cannot_create);
    make([&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, path); });
    if (file.close() != 0) output_error(path, Exit::io);
  });
}

void write_atomically(const fs::path& path, std::string_view text) { write_atomically(path, std::as_bytes(std::span(text))); }

void write_atomically_with(const fs::path& path, const std::function<void(const fs::path&)>& make) {
  if (path.has_parent_path()) make_folder(path.parent_path());
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) fail(Exit::cannot_create, "{}: is a folder", path.string());
  // Renaming over a device or pipe would put a plain file in its place.
  if (fs::is_other(path, ignored)) fail(Exit::cannot_create, "{}: is no regular file", path.string());
  const fs::path temporary = temporary_name(path);
  try {
    make(temporary);
    sync_path(temporary);
    rename_into_place(temporary, path);
  } catch (...) {
    fs::remove(temporary, ignored);
    throw;
  }
}

void create_folder_atomically(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) fail(Exit::cannot_create, "{}: exists already", path.string());
  if (path.has_parent_path()) make_folder(path.parent_path());
  // Nobody holds a lock here: what another host may still be at work on stays.
  remove_leftovers_if(path.has_parent_path() ? path.parent_path() : fs::path("."), [&](const std::string& name, std::size_t mark) {
    return name.substr(1, mark - 1) == path.filename().string() && name.ends_with("-" + host_mark());
  });
  const fs::path temporary = temporary_name(path);
  try {
    make_folder(temporary);
    fill(temporary);
    for (const auto& entry : fs::recursive_directory_iterator(temporary))
      if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path());
    sync_path(temporary);
    rename_into_place(temporary, path);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

void remove_leftovers(const fs::path& folder) {
  remove_leftovers_if(folder, [](const std::string&, std::size_t) { return true; });
}

std::uint64_t free_space(const fs::path& path) {
  fs::path existing = fs::absolute(path);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  const fs::space_info space = fs::space(existing, error);
  if (error) fail(Exit::io, "{}: {}", existing.string(), error.message());
  return space.available;
}

fs::path absolute_path(const fs::path& path) {
  const fs::path full = (path.empty() ? fs::current_path() : fs::absolute(path)).lexically_normal();
  return full.has_filename() || full == full.root_path() ? full : full.parent_path();
}

fs::path relative_or_absolute(const fs::path& path, const fs::path& base) {
  const fs::path full = absolute_path(path);
  const fs::path relative = full.lexically_relative(absolute_path(base));
  return relative.empty() || *relative.begin() == ".." ? full : relative;
}

fs::path safe_entry(std::string_view name, const fs::path& archive) {
  const fs::path entry(name);
  // The system's names end at a zero byte, where ours go on: "..\0x" is none of the parts that are refused below.
  if (const std::size_t end = name.find('\0'); end != std::string_view::npos)
    fail(Exit::bad_data, "{}: the entry name '{}' goes on behind a zero byte", archive.string(), name.substr(0, end));
  bool safe = !name.empty() && entry.is_relative();
  for (const auto& part : entry) safe = safe && part != "..";
  if (!safe) fail(Exit::bad_data, "{}: the entry name '{}' would leave the archive's folder", archive.string(), name);
  return entry.lexically_normal();
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) input_error(path);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) input_error(path);
  if (S_ISDIR(facts.st_mode)) fail(Exit::no_input, "{}: is a folder, not a file", path.string());
  if (facts.st_size == 0) return;  // an empty file cannot be mapped
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (map == MAP_FAILED) fail(Exit::io, "{}: cannot be mapped: {}", path.string(), std::strerror(errno));
  bytes_ = {static_cast<const std::byte*>(map), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::will_need(std::size_t offset, std::size_t size) const {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t begin = offset - offset % page, end = std::min(bytes_.size(), offset + size);
  if (begin < end) ::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_WILLNEED);  // a hint: it may fail
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

bool is_gzip(std::span<const std::byte> bytes) { return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}; }

std::vector<std::byte> gunzip(std::span<const std::byte> bytes, const std::string& name, std::uint64_t limit) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) fail(Exit::internal, "zlib cannot start");
  struct End {
    z_stream& stream;
    ~End() { inflateEnd(&stream); }
  } end{stream};

  std::vector<std::byte> out, chunk(std::size_t{1} << 20);
  std::size_t read = 0;
  int status = Z_OK;
  while (status != Z_STREAM_END || read < bytes.size()) {
    if (status == Z_STREAM_END) inflateReset(&stream);  // gzip files may be several members in a row
    if (stream.avail_in == 0 && read < bytes.size()) {
      const std::size_t piece = std::min<std::size_t>(bytes.size() - read, std::size_t{1} << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data() + read));
      stream.avail_in = static_cast<uInt>(piece);
    }
    const uInt before = stream.avail_in;
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    status = inflate(&stream, Z_NO_FLUSH);
    read += before - stream.avail_in;
    const std::size_t made = chunk.size() - stream.avail_out;
    if (status != Z_OK && status != Z_STREAM_END)
      fail(Exit::bad_data, "{}: damaged or cut-off gzip data at byte {} ({})", name, read,
           stream.msg != nullptr ? stream.msg : "input ends early");
    if (out.size() + made > limit) fail(Exit::bad_data, "{}: unpacks to more than {} bytes", name, limit);
    out.insert(out.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(made));
  }
  return out;
}

}  // namespace selfsight::core
