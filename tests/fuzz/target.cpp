#include "fuzz/target.h"

#include "core/log.h"

#include <fcntl.h>
#include <unistd.h>
#include <numeric>

namespace selfsight::fuzz {
namespace {

/// A folder that goes with the process.
class Scratch {
 public:
  Scratch() : path_(fs::temp_directory_path() / "selfsight-fuzz-XXXXXX") {
    std::string name = path_.string();
    if (::mkdtemp(name.data()) == nullptr) core::fail(core::Exit::internal, "{}: cannot be made", name);
    path_ = fs::canonical(name);
    core::set_log_level(core::Level::error);  // warnings of a million inputs
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

fs::path file_of(const std::string& name, Bytes bytes) {
  static const Scratch scratch;
  fs::path path = scratch.path() / name;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 && ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (!written || ::close(fd) != 0) core::fail(core::Exit::internal, "{}: cannot be written", path.string());
  return path;
}

std::uint64_t touch(Bytes bytes) {
  static volatile std::uint64_t kept;  // so that no reading is left out as useless
  const std::uint64_t sum = std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0},
                                            [](std::uint64_t a, std::byte b) { return a + std::to_integer<unsigned>(b); });
  kept = sum;
  return kept;
}

std::pair<Bytes, Bytes> divided(Bytes bytes) {
  if (bytes.empty()) return {};
  const Bytes both = bytes.first(bytes.size() - 1);
  const std::size_t second = std::min(std::to_integer<std::size_t>(bytes.back()), both.size());
  return {both.first(both.size() - second), both.last(second)};
}

}  // namespace selfsight::fuzz
