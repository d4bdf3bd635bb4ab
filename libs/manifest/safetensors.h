// The safetensors format (https://github.com/huggingface/safetensors): an 8-byte header length, a JSON header, raw little-endian data.
#pragma once

#include "core/files.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace selfsight::manifest {

/// One tensor in memory or in a mapped file; row-major. Does not own its bytes.
struct TensorView {
  std::string dtype;                ///< "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"
  std::vector<std::int64_t> shape;  ///< empty for a scalar
  std::span<const std::byte> bytes;

  [[nodiscard]] std::int64_t elements() const;
};

/// Bytes of one element. Error: bad_data for an unknown name.
std::int64_t dtype_size(const std::string& dtype);

/// A whole file, mapped. Offsets, sizes and overlaps are checked before any view is given out.
class Safetensors {
 public:
  /// Errors: no_input; bad_data naming the file and the tensor at fault.
  explicit Safetensors(const core::fs::path& path);
  [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Error: bad_data, naming the file and the keys there are.
  [[nodiscard]] const TensorView& at(const std::string& key) const;

 private:
  core::fs::path path_;
  core::MappedFile file_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// One tensor whose bytes lie in several places, one after the other.
struct TensorPieces {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::span<const std::byte>> pieces;
};

/// Writes atomically; keys in alphabetical order, data with the widest elements first, so that every tensor is aligned to its element:
/// the same content gives the same bytes. Returns the file's digest ("sha256:..."), computed while writing.
std::string write_safetensors(const core::fs::path& path, const std::map<std::string, TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata = {});
/// The same file from tensors in pieces, which need not fit into memory together.
std::string write_safetensors_in_pieces(const core::fs::path& path, const std::map<std::string, TensorPieces>& tensors,
                                        const std::map<std::string, std::string>& metadata);

}  // namespace selfsight::manifest
