// Networks that follow others: copies, exponential moving averages.
#pragma once

#include "libtorch.h"

namespace selfsight::nn {

/// Parameters and buffers of `from` into the module `to` of the same structure. Error: internal, naming the first that does not fit.
void copy_state(torch::nn::Module& to, const torch::nn::Module& from);

/// theta_target <- m theta_target + (1 - m) theta_online for all parameters, in one fused operation. Buffers (batch statistics) are
/// left alone: the target's own forward passes move those, as in MoCo, BYOL and DINO. m = 1 keeps, m = 0 copies, both exactly.
/// Error: internal when the structures differ.
void ema_update(torch::nn::Module& target, const torch::nn::Module& online, double momentum);

/// The start of a network that follows `online`: its state, and no gradients. Errors: those of copy_state.
void start_following(torch::nn::Module& target, const torch::nn::Module& online);

/// requires_grad off for every parameter; the optimizer then leaves them out.
void freeze(torch::nn::Module& module);

}  // namespace selfsight::nn
