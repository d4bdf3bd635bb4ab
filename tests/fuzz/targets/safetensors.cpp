// Files of tensors, and the search for a network in them.
#include "manifest/safetensors.h"
#include "fuzz/target.h"
#include "weights/fit.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  static const weights::Shapes ours = {{"conv1.weight", {2, 3}}, {"bn1.num_batches_tracked", {}}, {"layer1.0.bn1.bias", {2}}};
  const fs::path path = file_of("weights.safetensors", bytes);
  attempt([&] {
    const manifest::Safetensors file(path);
    weights::Shapes shapes;
    for (const auto& [name, view] : file.tensors()) {
      touch(view.bytes);
      if (view.elements() * manifest::dtype_size(view.dtype) != static_cast<std::int64_t>(view.bytes.size())) std::abort();
      shapes[name] = view.shape;
    }
    for (const auto& [key, value] : file.metadata()) touch(bytes_of(key + value));
    weights::fit(ours, shapes);
    weights::fit(ours, shapes, "module.");
    touch(file.at("conv1.weight").bytes);
  });
}

}  // namespace selfsight::fuzz
