#include "core/folder_lock.h"

#include "core/error.h"
#include "core/files.h"
#include "core/host.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <utility>

namespace selfsight::core {

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path lock = folder / ".lock";
  file_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  const int reason = errno;
  // Whoever could write beside the lock must hold it alone: that another user's cannot be opened is then no reason to do without.
  const bool read_only = file_ < 0 && (reason == EROFS || (reason == EACCES && ::access(folder.c_str(), W_OK) != 0));
  if (read_only) file_ = ::open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  if (read_only && file_ < 0 && errno == ENOENT) return;  // nobody is at work there, and nobody who may no more than this one will be
  if (file_ < 0) fail(Exit::cannot_create, "{}: {}", lock.string(), std::strerror(reason));
  if (::flock(file_, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    const int error = errno;
    ::close(std::exchange(file_, -1));
    if (error != EWOULDBLOCK) fail(Exit::io, "{}: the file system gives no lock: {}", lock.string(), std::strerror(error));
    fail(Exit::cannot_create, "{}: another run is at work in this folder ({})", folder.string(), read_text(lock));
  }
  if (read_only) return;
  const std::string owner = fmt::format("process {} on {}", ::getpid(), host_name());
  if (::ftruncate(file_, 0) == 0 && ::pwrite(file_, owner.data(), owner.size(), 0) >= 0) return;
  const int error = errno;
  ::close(std::exchange(file_, -1));
  fail(Exit::io, "{}: {}", lock.string(), std::strerror(error));
}

FolderLock::FolderLock(FolderLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

FolderLock::~FolderLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace selfsight::core
