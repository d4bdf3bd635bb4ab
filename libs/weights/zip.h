// ZIP archives as PyTorch writes them: members stored as they are, found by the directory at the end. Nothing is extracted.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace selfsight::weights {

/// Whether the bytes begin as a ZIP archive does.
bool is_zip(std::span<const std::byte> bytes);

/// The members by name, with views into `bytes`. ZIP64 included. Errors: bad_data ("NAME: ..."): a directory that is missing or lies
/// outside of the file, a member that is compressed or encrypted, that lies outside or comes twice.
std::map<std::string, std::span<const std::byte>> read_zip(std::span<const std::byte> bytes, const std::string& name);

}  // namespace selfsight::weights
