#include "core/log.h"

#include <atomic>
#include <cstdio>
#include <mutex>

namespace selfsight::core {

namespace {

struct LogState {
  std::mutex mutex;
  std::string tool = "selfsight";
  std::atomic<Level> level{Level::info};
  std::atomic<bool> bar{false};
};

LogState& state() {
  static LogState instance;
  return instance;
}

const char* word(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: break;
  }
  return "error";
}

}  // namespace

void set_log_tool(std::string_view name) {
  const std::lock_guard lock(state().mutex);
  state().tool = name;
}

void set_log_level(Level level) { state().level = level; }

void set_bar_drawn(bool drawn) { state().bar = drawn; }

void log_line(Level level, std::string_view message) {
  if (level < state().level) return;
  const std::lock_guard lock(state().mutex);
  // \r and "erase to the end of the line" take away what a progress bar has drawn; it draws itself again at its next step.
  const std::string line = fmt::format("{}{}: {}: {}\n", state().bar ? "\r\x1b[K" : "", state().tool, word(level), message);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace selfsight::core
