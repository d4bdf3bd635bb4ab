#include "core/progress.h"

#include "core/log.h"

#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>

namespace selfsight::core {

namespace {

constexpr double bar_seconds = 0.1, line_seconds = 10;

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

}  // namespace

double monotonic_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Progress::Progress(std::string title, std::int64_t total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      started_(monotonic_seconds()),
      drawn_(started_),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

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
  text += fmt::format(", {:.3g}/s", rate);
  if (last) {
    text += ", took " + duration(seconds);
  } else if (total_ > done_ && rate > 0) {
    text += fmt::format(", {} left", duration(static_cast<double>(total_ - done_) / rate));
  } else {
    text += ", " + duration(seconds);
  }
  if (!note_.empty()) text += ", " + note_;
  if (!terminal_) {
    log_info("{}: {}", title_, text);
    return;
  }
  if (last) {
    set_bar("");
    log_info("{}: {}", title_, text);
    return;
  }
  constexpr std::int64_t cells = 24;
  const std::int64_t filled = total_ > 0 ? std::clamp<std::int64_t>(cells * done_ / total_, 0, cells) : 0;
  const std::string bar = fmt::format("{} [{:=<{}}{: <{}}] {}", title_, "", filled, "", cells - filled, text);
  set_bar(bar.substr(0, columns() - 1));  // a line that wraps could not be taken away again
}

}  // namespace selfsight::core
