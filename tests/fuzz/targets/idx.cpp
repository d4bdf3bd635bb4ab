// idx files, plain and gzip: images, and the labels beside them.
#include "fuzz/samples.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  const auto [images, labels] = divided(bytes);
  const fs::path path = file_of("train-images-idx3-ubyte", images), beside = file_of("train-labels-idx1-ubyte", labels);
  if (labels.empty()) fs::remove(beside);
  use_described("idx", path);
}

}  // namespace selfsight::fuzz
