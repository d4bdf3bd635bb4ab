#include "train/tensors.h"

#include "core/error.h"
#include "nn/to_device.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <dlfcn.h>

namespace selfsight::train {

Normalisation usual_normalisation(std::int64_t channels) {
  if (channels == 3) return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  return {std::vector<double>(static_cast<std::size_t>(channels), 0.5), std::vector<double>(static_cast<std::size_t>(channels), 0.5)};
}

torch::Tensor to_tensor(const data::ViewBatch& view, const Normalisation& normalisation, const torch::Device& device) {
  // from_blob does not own the pixels: the copy to float (or to the device) below ends the borrowing.
  auto pixels = torch::from_blob(const_cast<std::uint8_t*>(view.pixels.data()),
                                 {view.count, view.frames, view.height, view.width, view.channels}, torch::kUInt8)
                    .permute({0, 4, 1, 2, 3});
  if (view.frames == 1) pixels = pixels.squeeze(2);
  const auto per_channel = [&](const std::vector<double>& values) {
    const torch::Tensor channels = nn::to_device(torch::tensor(values, torch::kFloat64).to(torch::kFloat32), device);
    return view.frames > 1 ? channels.view({1, -1, 1, 1, 1}) : channels.view({1, -1, 1, 1});
  };
  const auto mean = per_channel(normalisation.mean), stddev = per_channel(normalisation.stddev);
  return nn::to_device(pixels, device).to(torch::kFloat32).sub_(mean * 255.0).div_(stddev * 255.0);
}

torch::Device open_device(const std::string& name) {
  const bool cuda = name.starts_with("cuda");
  if (cuda && dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr)
    core::fail(core::Exit::usage, "--device {}: the CUDA half of LibTorch cannot be loaded ({}); build with the cuda preset", name,
               dlerror());
  try {
    const torch::Device device(name);
    if (cuda && !torch::cuda::is_available()) core::fail(core::Exit::usage, "--device {}: no CUDA device is available", name);
    // What is launched without a tensor to go by (a stream, a recording) goes to the current device.
    if (device.is_cuda() && device.has_index()) c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
    return device;
  } catch (const c10::Error&) {
    core::fail(core::Exit::usage, "--device: '{}' is not a device (cpu, cuda, cuda:N)", name);
  }
}

}  // namespace selfsight::train
