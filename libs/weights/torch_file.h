// Weights in the files that torch.save writes, read without Python: the ZIP format (since 1.6) and the one before it. Classes are not
// made and nothing is called, whatever the file asks for.
#pragma once

#include "core/files.h"
#include "manifest/safetensors.h"

#include <map>
#include <string>
#include <vector>

namespace selfsight::weights {

/// What becomes of objects that are no tensors, containers, numbers and texts (settings of a training run, say).
enum class Foreign { refuse, leave_out };

/// A tensor of a file: a view of a storage that other tensors may share.
struct StoredTensor {
  std::string dtype;  ///< as in safetensors
  std::vector<std::int64_t> shape, strides;
  std::span<const std::byte> first;  ///< the storage from the tensor's first element on

  [[nodiscard]] bool contiguous() const;
};

class TorchFile {
 public:
  /// Errors: no_input; bad_data naming the file: not of either format, damaged, of the other byte order, an object that is refused (its
  /// class and place are named), a tensor that reaches beyond its storage.
  explicit TorchFile(const core::fs::path& path, Foreign foreign = Foreign::refuse);
  /// Every tensor, by the keys on its way from the root, joined by dots: "state_dict.layer1.0.conv1.weight", "optimizer.state.0.exp_avg".
  [[nodiscard]] const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// Classes of what was left out, with the key of the first of each.
  [[nodiscard]] const std::map<std::string, std::string>& left_out() const { return left_out_; }
  /// A tensor row by row, as safetensors has it; copied if it is not stored so. The view ends with this object.
  [[nodiscard]] manifest::TensorView row_by_row(const std::string& key);

 private:
  core::MappedFile file_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, std::string> left_out_;
  std::map<std::string, std::vector<std::byte>> copies_;
};

/// Whether the file begins as one of the two formats does.
bool is_torch_file(std::span<const std::byte> bytes);

}  // namespace selfsight::weights
