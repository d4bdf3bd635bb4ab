// A folder in the hands of one process at a time.
#pragma once

#include <filesystem>

namespace selfsight::core {

class FolderLock {
 public:
  /// Takes the lock of an existing folder, its file ".lock", which the kernel lets go with the process, however that ends. Of a folder that
  /// this user cannot write to only a lock that is there is looked at, without one nothing is. Errors: cannot_create naming the process
  /// that holds it, or when no lock can be made; io where the file system gives none.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace selfsight::core
