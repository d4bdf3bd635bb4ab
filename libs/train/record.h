// The training record: JSON Lines that grow with the run and can be cut back to a checkpoint.
#pragma once

#include "core/files.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>

namespace selfsight::train {

/// An append-only file of one JSON object a line.
class Record {
 public:
  /// Opens `path`, cut to its first `bytes` (what a checkpoint remembers of it). Errors: cannot_create; bad_data when it is shorter.
  Record(core::fs::path path, std::int64_t bytes);
  /// Error: io (disk full).
  void write(const nlohmann::json& line);
  /// Bytes that are safely in the file (flushed and synced).
  std::int64_t sync();
  [[nodiscard]] const core::fs::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  core::fs::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace selfsight::train
