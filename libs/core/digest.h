// SHA-256, written "sha256:<hex>".
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace selfsight::core {

class Digest {
 public:
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  Digest& add(std::span<const std::byte> bytes);
  Digest& add(std::string_view text);
  /// "sha256:" and 64 hex digits; ends the digest.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest_of(std::span<const std::byte> bytes);
std::string digest_of(std::string_view text);
/// Error: no_input when the file cannot be read.
std::string digest_of_file(const std::filesystem::path& path);

}  // namespace selfsight::core
