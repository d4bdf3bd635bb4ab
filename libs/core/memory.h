// A bound on the memory of a whole program: better a clear message than a machine that swaps, or a job that the scheduler kills.
#pragma once

#include <cstdint>
#include <string>

namespace selfsight::core {

/// "1500M", "1.5G", "800000K" or bytes; "" is 0. `option` is what the message calls it. Error: usage.
std::uint64_t parse_bytes(const std::string& text, const std::string& option);
/// "1.5 GiB"
std::string bytes_text(std::uint64_t bytes);

/// From now on the program's own data (heap, stacks) may not pass `bytes`; 0: no bound. What passes it is a std::bad_alloc, which run_tool
/// turns into an error that names --max-memory.
void bound_memory(std::uint64_t bytes);
/// The bound in force, 0 without one: work that can be done in parts sizes them by it.
std::uint64_t memory_bound() noexcept;
/// The most memory that this process has held so far, in bytes (VmHWM).
std::uint64_t peak_memory();

}  // namespace selfsight::core
