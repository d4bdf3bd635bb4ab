// Errors that a person can act on, and the exit codes that scripts can act on.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace selfsight::core {

/// Exit codes of every executable; the values are those of BSD's sysexits.h.
enum class Exit : int {
  ok = 0,
  usage = 64,          ///< the command line or a configuration is wrong
  bad_data = 65,       ///< an input is there but not what it should be
  no_input = 66,       ///< an input is missing or cannot be opened
  internal = 70,       ///< a fault of ours
  cannot_create = 73,  ///< an output cannot be created
  io = 74,             ///< reading or writing broke off (full disk, for one)
  interrupted = 75,    ///< stopped by a signal with a checkpoint written: run the same command again to go on
};

/// An error with the exit code it leads to. The message names the file, item or option and, where it can, the way out.
class Error : public std::runtime_error {
 public:
  Error(Exit exit, const std::string& message) : std::runtime_error(message), exit_(exit) {}
  [[nodiscard]] Exit exit() const noexcept { return exit_; }

 private:
  Exit exit_;
};

/// Throws an Error with a formatted message: `fail(Exit::bad_data, "{}: no images", path)`.
template <class... Args>
[[noreturn]] void fail(Exit exit, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(exit, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace selfsight::core
