#include "train/versions.h"

#include "libtorch.h"

#include <torch/version.h>

namespace selfsight::train {

std::string versions() { return fmt::format("LibTorch {} (CPU capability {})\n", TORCH_VERSION, at::get_cpu_capability()); }

}  // namespace selfsight::train
