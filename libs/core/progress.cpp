#include "core/progress.h"

#include "core/log.h"

#include <chrono>
#include <cstdio>
#include <unistd.h>

namespace selfsight::core {

namespace {

constexpr double bar_seconds = 0.1, line_seconds = 15;

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

double monotonic_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Progress::Progress(std::string title, std::int64_t total, std::string unit)
    : title_(std::move(title)), unit_(std::move(unit)), total_(total), started_(monotonic_seconds()), drawn_(started_), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { finish(); }

void Progress::advance(std::int64_t count, const std::string& note) {
  done_ += count;
  note_ = note;
  if (monotonic_seconds() - drawn_ >= (terminal_ ? bar_seconds : line_seconds)) draw(false);
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  draw(true);
}

void Progress::draw(bool last) {
  drawn_ = monotonic_seconds();
  const double seconds = drawn_ - started_;
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string text = total_ > 0 ? fmt::format("{}/{} {}", done_, total_, unit_) : fmt::format("{} {}", done_, unit_);
  text += fmt::format(", {:.3g}/s, {}", rate, last ? "took " + duration(seconds) : total_ > 0 && rate > 0 ? duration(static_cast<double>(total_ - done_) / rate) + " left" : duration(seconds));
  if (!note_.empty()) text += ", " + note_;
  if (!terminal_) {
    log_info("{}: {}", title_, text);
    return;
  }
  constexpr int width = 24;
  const int filled = total_ > 0 ? static_cast<int>(width * done_ / total_) : 0;
  const std::string bar = fmt::format("\r\x1b[K{} [{:=<{}}{: <{}}] {}{}", title_, "", filled, "", width - filled, text, last ? "\n" : "");
  std::fwrite(bar.data(), 1, bar.size(), stderr);
  std::fflush(stderr);
  set_bar_drawn(!last);
}

}  // namespace selfsight::core
