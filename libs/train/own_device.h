// Devices of a run of several ranks.
#pragma once

#include "dist/session.h"
#include "train/tensors.h"

#include <string>

namespace selfsight::train {

/// open_device for this rank: "cuda" becomes, in `device` too, the GPU of its place on its host. Errors: as open_device and
/// Session::own_device.
inline torch::Device open_own_device(dist::Session& session, std::string& device) {
  open_device(device);  // with the CUDA half of LibTorch NCCL can be there
  device = session.own_device(device);
  return open_device(device);
}

}  // namespace selfsight::train
