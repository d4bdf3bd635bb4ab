#include "train/record.h"

#include "core/error.h"

#include <unistd.h>
#include <cerrno>
#include <cstring>

namespace selfsight::train {

Record::Record(core::fs::path path, std::int64_t bytes) : path_(std::move(path)) {
  std::error_code error;
  const auto size = static_cast<std::int64_t>(core::fs::exists(path_) ? core::fs::file_size(path_, error) : 0);
  if (size < bytes)
    core::fail(core::Exit::bad_data,
               "{}: has {} bytes where the newest checkpoint remembers {}: it was changed from outside. Put it back, or remove that "
               "checkpoint to go on from one before",
               path_.string(), size, bytes);
  file_.reset(std::fopen(path_.c_str(), "ab"));
  if (!file_ || ::ftruncate(::fileno(file_.get()), bytes) != 0)
    core::fail(core::Exit::cannot_create, "{}: {}", path_.string(), std::strerror(errno));
}

void Record::write(const nlohmann::json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0)
    core::fail(core::Exit::io, "{}: {}", path_.string(), std::strerror(errno));
}

std::int64_t Record::sync() {
  if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0)
    core::fail(core::Exit::io, "{}: {}", path_.string(), std::strerror(errno));
  std::error_code error;
  const auto size = core::fs::file_size(path_, error);
  if (error) core::fail(core::Exit::io, "{}: is gone: was the run's folder moved or removed while it was at work?", path_.string());
  return static_cast<std::int64_t>(size);
}

}  // namespace selfsight::train
