// NumPy's .npy files (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1 to 3.
#pragma once

#include "manifest/safetensors.h"

namespace selfsight::manifest {

/// A mapped .npy file of little-endian numbers (float64/32/16, int64/32/16/8, uint8, bool) in C order.
class Npy {
 public:
  /// Errors: no_input; bad_data naming the file and what is wrong with it or not read here (objects, structures, big-endian, Fortran
  /// order).
  explicit Npy(const core::fs::path& path);
  [[nodiscard]] const TensorView& tensor() const { return tensor_; }

 private:
  core::MappedFile file_;
  TensorView tensor_;
};

}  // namespace selfsight::manifest
