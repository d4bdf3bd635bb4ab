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
  std::string bar;  // what stands on the terminal's last line
};

LogState& state() {
  static LogState instance;
  return instance;
}

constexpr const char* erase_line = "\r\x1b[K";

/// In one piece, so that lines of two threads or programs do not mix.
void write(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

const char* word(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      break;
  }
  return "error";
}

}  // namespace

void set_log_tool(std::string_view name) {
  const std::lock_guard lock(state().mutex);
  state().tool = name;
}

std::string log_tool() {
  const std::lock_guard lock(state().mutex);
  return state().tool;
}

void set_log_level(Level level) { state().level = level; }

void set_bar(std::string_view text) {
  const std::lock_guard lock(state().mutex);
  if (text.empty() ? state().bar.empty() : state().level > Level::info) return;
  state().bar = text;
  write(fmt::format("{}{}", erase_line, text));
}

void log_line(Level level, std::string_view message) {
  if (level < state().level) return;
  const std::lock_guard lock(state().mutex);
  const std::string& bar = state().bar;
  write(fmt::format("{}{}: {}: {}\n{}", bar.empty() ? "" : erase_line, state().tool, word(level), message, bar));
}

}  // namespace selfsight::core
