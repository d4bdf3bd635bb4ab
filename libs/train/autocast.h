// Mixed precision for one scope.
#pragma once

#include <ATen/autocast_mode.h>

#include <string>

namespace selfsight::train {

/// Autocast for the forward pass, off again at the end of the scope. `precision`: fp32 (none), bf16 or fp16.
class Autocast {
 public:
  Autocast(const std::string& precision, c10::DeviceType device) : device_(device), on_(precision != "fp32") {
    if (!on_) return;
    at::autocast::set_autocast_dtype(device_, precision == "bf16" ? at::kBFloat16 : at::kHalf);
    at::autocast::set_autocast_enabled(device_, true);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool on_;
};

}  // namespace selfsight::train
