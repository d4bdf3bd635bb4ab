#include "nn/norm_statistics.h"

namespace selfsight::nn {

NormStatistics::NormStatistics(const torch::nn::Module& module) {
  for (const auto& item : module.named_buffers())
    for (const char* name : {"running_mean", "running_var", "num_batches_tracked"})
      if (item.key() == name || item.key().ends_with(std::string(".") + name)) live_.push_back(item.value());
}

void NormStatistics::keep() {
  const torch::NoGradGuard no_grad;
  if (kept_.empty())
    for (const auto& tensor : live_) kept_.push_back(torch::empty_like(tensor));
  for (std::size_t i = 0; i < live_.size(); ++i) kept_[i].copy_(live_[i]);
}

void NormStatistics::restore() {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < kept_.size(); ++i) live_[i].copy_(kept_[i]);
}

}  // namespace selfsight::nn
