#include "core/memory.h"

#include "core/error.h"

#include <sys/resource.h>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace selfsight::core {

namespace {
std::uint64_t bound = 0;
}

std::uint64_t parse_bytes(const std::string& text, const std::string& option) {
  if (text.empty()) return 0;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  double factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "K" || unit == "KiB") factor = 0x1p10;
  if (unit == "M" || unit == "MiB") factor = 0x1p20;
  if (unit == "G" || unit == "GiB") factor = 0x1p30;
  if (unit == "T" || unit == "TiB") factor = 0x1p40;
  if (end == text.c_str() || factor == 0 || !std::isfinite(number) || number < 0 || number * factor >= 0x1p63)
    fail(Exit::usage, "--{}: '{}' is no amount of memory (a number with K, M, G or T behind it, such as 1500M)", option, text);
  return static_cast<std::uint64_t>(number * factor);
}

std::string bytes_text(std::uint64_t bytes) {
  const auto amount = static_cast<double>(bytes);
  if (amount >= 0x1p30) return fmt::format("{:.3g} GiB", amount / 0x1p30);
  if (amount >= 0x1p20) return fmt::format("{:.3g} MiB", amount / 0x1p20);
  return fmt::format("{:.3g} KiB", amount / 0x1p10);
}

void bound_memory(std::uint64_t bytes) {
  bound = bytes;
  if (bytes == 0) return;
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_DATA, &limit) != 0) fail(Exit::internal, "cannot bound the memory: {}", std::strerror(errno));
}

std::uint64_t memory_bound() noexcept { return bound; }

std::uint64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace selfsight::core
