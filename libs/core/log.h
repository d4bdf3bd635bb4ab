// Log lines on stderr: `tool: level: message`. stdout belongs to manifests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace selfsight::core {

enum class Level { debug, info, warning, error };

/// The name every line starts with; set once by the tool's main.
void set_log_tool(std::string_view name);
/// Lines below this level are dropped (default: info).
void set_log_level(Level level);
/// Says that a progress bar stands on the terminal's last line, so that the next log line takes its place.
void set_bar_drawn(bool drawn);
/// Writes one line; safe from any thread; an active progress bar is redrawn below it.
void log_line(Level level, std::string_view message);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace selfsight::core
