// What a fuzz target is made of: it hands bytes that anyone may have made to a reader, and uses what comes back as a tool would.
#pragma once

#include "core/error.h"
#include "core/files.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <utility>

namespace selfsight::fuzz {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

/// One input. Each target's file defines it; what leaves it as an exception is a finding.
void try_input(Bytes bytes);

/// Whether `work` came to its end. A core::Error says that the input is wrong, and is what readers are to do; one of Exit::internal says
/// that we are, and is a finding.
template <class Work>
bool attempt(const Work& work) {
  try {
    work();
    return true;
  } catch (const core::Error& error) {
    if (error.exit() != core::Exit::internal) return false;
    std::fprintf(stderr, "a fault of ours: %s\n", error.what());
    std::abort();
  }
}

/// The input in a file of that name, for readers that take a path; the folder is this process's own, below TMPDIR.
fs::path file_of(const std::string& name, Bytes bytes);

/// Reads every byte, so that a view that reaches outside of its memory is noticed.
std::uint64_t touch(Bytes bytes);
template <class T>
std::uint64_t touch(std::span<T> values) {
  return touch(std::as_bytes(values));
}

/// Input for two files: the last byte says how many bytes in front of it are the second one.
std::pair<Bytes, Bytes> divided(Bytes bytes);

inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace selfsight::fuzz
