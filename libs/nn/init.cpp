#include "nn/init.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/conv.h>

namespace selfsight::nn {

void kaiming_convolutions(torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false))
    if (auto* conv = part->as<torch::nn::Conv2d>()) torch::nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
}

}  // namespace selfsight::nn
