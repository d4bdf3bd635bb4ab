// NumPy's arrays.
#include "manifest/npy.h"
#include "fuzz/target.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  const fs::path path = file_of("array.npy", bytes);
  attempt([&] {
    const manifest::Npy file(path);
    const manifest::TensorView& view = file.tensor();
    touch(view.bytes);
    if (view.elements() * manifest::dtype_size(view.dtype) != static_cast<std::int64_t>(view.bytes.size())) std::abort();
  });
}

}  // namespace selfsight::fuzz
