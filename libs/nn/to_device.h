// From the host to a device.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

/// A tensor of the host on `device`. The host does not wait for what the device still has to do, as it does when it copies from plain
/// memory.
inline torch::Tensor to_device(const torch::Tensor& host, const torch::Device& device) {
  return device.is_cpu() ? host : host.pin_memory().to(device, /*non_blocking=*/true);
}

}  // namespace selfsight::nn
