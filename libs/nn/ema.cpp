#include "nn/ema.h"

#include "core/error.h"

namespace selfsight::nn {

namespace {

using Items = torch::OrderedDict<std::string, torch::Tensor>;

void check_pair(const Items& to, const Items& from) {
  if (to.size() != from.size())
    core::fail(core::Exit::internal, "networks of different structure: {} tensors against {}", to.size(), from.size());
  for (std::size_t i = 0; i < to.size(); ++i)
    if (to[i].key() != from[i].key() || to[i].value().sizes() != from[i].value().sizes())
      core::fail(core::Exit::internal, "networks of different structure: '{}' [{}] against '{}' [{}]", to[i].key(),
                 fmt::join(to[i].value().sizes(), ", "), from[i].key(), fmt::join(from[i].value().sizes(), ", "));
}

}  // namespace

void copy_state(torch::nn::Module& to, const torch::nn::Module& from) {
  const torch::NoGradGuard no_grad;
  const auto copy = [](const Items& a, const Items& b) {
    check_pair(a, b);
    for (std::size_t i = 0; i < a.size(); ++i) a[i].value().copy_(b[i].value());
  };
  copy(to.named_parameters(), from.named_parameters());
  copy(to.named_buffers(), from.named_buffers());
}

void start_following(torch::nn::Module& target, const torch::nn::Module& online) {
  copy_state(target, online);
  freeze(target);
}

void ema_update(torch::nn::Module& target, const torch::nn::Module& online, double momentum) {
  const torch::NoGradGuard no_grad;
  const Items to = target.named_parameters(), from = online.named_parameters();
  check_pair(to, from);
  torch::_foreach_lerp_(to.values(), from.values(), 1.0 - momentum);
}

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.set_requires_grad(false);
}

}  // namespace selfsight::nn
