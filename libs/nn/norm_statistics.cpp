#include "nn/norm_statistics.h"

namespace selfsight::nn {

NormStatistics::NormStatistics(const torch::nn::Module& module) {
  for (const auto& item : module.named_buffers())
    for (const char* name : {"running_mean", "running_var", "num_batches_tracked"})
      if (item.key() == name || item.key().ends_with(std::string(".") + name))
        (item.value().is_floating_point() ? statistics_ : counters_).live.push_back(item.value());
}

void NormStatistics::keep() {
  const torch::NoGradGuard no_grad;
  for (Tensors* tensors : {&statistics_, &counters_}) {
    if (tensors->kept.empty())
      for (const auto& tensor : tensors->live) tensors->kept.push_back(torch::empty_like(tensor));
    if (!tensors->live.empty()) torch::_foreach_copy_(tensors->kept, tensors->live);
  }
}

void NormStatistics::restore() {
  const torch::NoGradGuard no_grad;
  for (Tensors* tensors : {&statistics_, &counters_})
    if (!tensors->kept.empty()) torch::_foreach_copy_(tensors->live, tensors->kept);
}

}  // namespace selfsight::nn
