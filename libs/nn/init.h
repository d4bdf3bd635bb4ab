// How weights start where LibTorch's default is not the published one.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

/// All convolutions in `module`: N(0, sqrt(2 / (k k c_out))), as torchvision's ResNets (He et al., arXiv 1502.01852, by the outputs).
void kaiming_convolutions(torch::nn::Module& module);

}  // namespace selfsight::nn
