// The binary batches of CIFAR.
#include "fuzz/samples.h"

namespace selfsight::fuzz {

void try_input(Bytes bytes) {
  const fs::path path = file_of("test_batch.bin", bytes);
  manifest::Split split;
  split.format = "cifar-bin";
  split.root = path.parent_path();
  split.files["batch-1"].path = path;
  for (const std::size_t classes : {10, 100}) {
    split.labels.assign(classes, "class");
    attempt([&] { use_source(*core::Registry<data::SourceFormat>::instance().find(split.format, "format").open(split)); });
  }
}

}  // namespace selfsight::fuzz
