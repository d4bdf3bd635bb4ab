#include "core/digest.h"

#include "core/error.h"
#include "core/files.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace selfsight::core {

struct Digest::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Digest::Digest() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) != 1) fail(Exit::internal, "SHA-256 is not available");
}
Digest::~Digest() = default;

Digest& Digest::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size());
  return *this;
}

Digest& Digest::add(std::string_view text) { return add(std::as_bytes(std::span(text))); }

std::string Digest::finish() {
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context.get(), value, &length);
  std::string out = "sha256:";
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{:02x}", value[i]);
  return out;
}

std::string digest_of(std::span<const std::byte> bytes) { return Digest().add(bytes).finish(); }
std::string digest_of(std::string_view text) { return Digest().add(text).finish(); }

std::string digest_of_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return digest_of(file.bytes());
}

}  // namespace selfsight::core
