// Files of torch.save, both formats: every tensor row by row, as ssl-convert takes them.
#include "weights/torch_file.h"
#include "fuzz/target.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  const fs::path path = file_of("weights.pth", bytes);
  for (const weights::Foreign foreign : {weights::Foreign::leave_out, weights::Foreign::refuse}) {
    const bool read = attempt([&] {
      weights::TorchFile file(path, foreign);
      for (const auto& [key, tensor] : file.tensors()) {
        touch(tensor.first);
        touch(file.row_by_row(key).bytes);
      }
      for (const auto& [name, key] : file.left_out()) touch(bytes_of(name + key));
    });
    if (!read) return;  // what is refused leniently is refused strictly
  }
}

}  // namespace selfsight::fuzz
