// Things that unit tests of several layers need.
#pragma once

#include "core/error.h"
#include "core/files.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace selfsight::test {

namespace fs = std::filesystem;

/// A folder of the test's own, gone with it.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "selfsight-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = fs::canonical(name);
  }
  ~Folder() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

/// While it lives, a standard stream (STDIN_FILENO ...) is the named file.
class Redirect {
 public:
  Redirect(int stream, const fs::path& file) : stream_(stream), saved_(::dup(stream)) {
    std::fflush(nullptr);
    const int fd = ::open(file.c_str(), stream == STDIN_FILENO ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0);
    ::dup2(fd, stream);
    ::close(fd);
  }
  ~Redirect() {
    std::fflush(nullptr);
    ::dup2(saved_, stream_);
    ::close(saved_);
  }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

 private:
  int stream_, saved_;
};

/// Writes a file without the care (and the time) of core::write_atomically.
inline void write_plainly(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

/// Runs `action`, which must throw a core::Error with that exit code, and returns its message.
template <class Action>
std::string error_of(core::Exit exit, const Action& action) {
  try {
    action();
  } catch (const core::Error& error) {
    CHECK_MESSAGE(static_cast<int>(error.exit()) == static_cast<int>(exit), error.what());
    return error.what();
  }
  FAIL_CHECK("no error was thrown");
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

}  // namespace selfsight::test
