// Log lines on stderr: `tool: level: message`. stdout belongs to manifests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace selfsight::core {

enum class Level { debug, info, warning, error };

/// The name every line starts with; set once by the tool's main.
void set_log_tool(std::string_view name);
std::string log_tool();
/// Lines below this level are dropped (default: info).
void set_log_level(Level level);
/// Draws `text` over the terminal's last line, where it stays below whatever is logged; "" takes it away.
void set_bar(std::string_view text);
/// Writes one line; safe from any thread.
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
