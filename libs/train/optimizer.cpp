#include "train/optimizer.h"

#include "core/error.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

namespace selfsight::train {

void OptimizerOptions::describe(core::Options& o) {
  o.group("Optimizer");
  o.add("optimizer", &optimizer, "update rule").choices({"sgd", "lars", "adamw"});
  o.add("momentum", &momentum, "momentum").range(0, 1).only_with("optimizer", {"sgd", "lars"});
  o.add("nesterov", &nesterov, "Nesterov's form of the momentum").only_with("optimizer", {"sgd"});
  o.add("beta1", &beta1, "share of the first moment that is kept").range(0, 1).only_with("optimizer", {"adamw"});
  o.add("beta2", &beta2, "share of the second moment that is kept").range(0, 1).only_with("optimizer", {"adamw"});
  o.add("adam-epsilon", &epsilon, "guard against division by zero").range(0, 1).only_with("optimizer", {"adamw"});
  o.add("trust", &trust, "trust coefficient").range(0, 1).only_with("optimizer", {"lars"});
  o.add("lars-norm", &lars_norm,
        "what the trust coefficient is divided by: separate |g| + wd |w| (SwAV's LARC), or joint |g + wd w| (SimCLR, BYOL)")
      .choices({"separate", "joint"})
      .only_with("optimizer", {"lars"});
  o.add("exclude-1d", &exclude_1d, "no weight decay for norms and biases");
}

std::vector<ParameterGroup> default_groups(const torch::nn::Module& module, bool exclude_1d) {
  ParameterGroup matrices, vectors;
  if (exclude_1d) {
    vectors.decay_scale = 0;
    vectors.adapt = false;
  }
  for (const auto& item : module.named_parameters()) {
    if (!item.value().requires_grad()) continue;
    (item.value().dim() > 1 ? matrices : vectors).parameters.emplace_back(item.key(), item.value());
  }
  return {std::move(matrices), std::move(vectors)};
}

Optimizer::Optimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options) : groups_(std::move(groups)), options_(options) {
  if (options_.optimizer == "sgd" && options_.nesterov && options_.momentum == 0)
    core::fail(core::Exit::usage, "--nesterov: needs a --momentum above 0");
  for (const auto& group : groups_) slots_.emplace_back(group.parameters.size());
}

void Optimizer::zero_grad() {
  for (auto& group : groups_)
    for (auto& [name, parameter] : group.parameters) parameter.mutable_grad() = torch::Tensor();
}

void Optimizer::step(double lr, double peak_lr, double weight_decay, const std::optional<torch::Tensor>& skip) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const auto& group = groups_[i];
    update(group, slots_[i], (group.fixed_lr ? peak_lr : lr) * group.lr_scale, weight_decay * group.decay_scale, skip);
  }
}

/// You et al. 2017: the local rate multiplies gradient plus decay, before the momentum. All on the device: nothing waits for it.
std::vector<torch::Tensor> Optimizer::adapted(const std::vector<torch::Tensor>& parameters, const std::vector<torch::Tensor>& grads,
                                              double decay) const {
  const auto norms = [](const std::vector<torch::Tensor>& of) { return torch::stack(torch::_foreach_norm(of)).to(torch::kFloat64); };
  const std::vector<torch::Tensor> decayed = torch::_foreach_add(grads, parameters, decay);
  const torch::Tensor weight = norms(parameters), grad = norms(grads);
  const torch::Tensor divisor = options_.lars_norm == "joint" ? norms(decayed) : grad + decay * weight + 1e-8;
  const torch::Tensor rate = torch::where((weight > 0) & (grad > 0) & (divisor > 0), options_.trust * weight / divisor, 1.0);
  return torch::_foreach_mul(decayed, rate.to(grads[0].scalar_type()).unbind());
}

void Optimizer::update(const ParameterGroup& group, std::vector<Slot>& slots, double lr, double decay,
                       const std::optional<torch::Tensor>& skip) {
  const bool adamw = options_.optimizer == "adamw", lars = options_.optimizer == "lars" && group.adapt;
  std::vector<torch::Tensor> parameters, grads, first, second, steps;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const torch::Tensor& parameter = group.parameters[i].second;
    const torch::Tensor& grad = parameter.grad();
    if (!grad.defined()) continue;
    Slot& slot = slots[i];
    if (!slot.first.defined()) {
      slot.first = torch::zeros_like(parameter);
      if (adamw) {
        slot.second = torch::zeros_like(parameter);
        slot.steps = torch::zeros({}, torch::TensorOptions().dtype(torch::kFloat32).device(parameter.device()));
      }
    }
    parameters.push_back(parameter);
    grads.push_back(grad.is_contiguous() == parameter.is_contiguous() ? grad : torch::empty_like(parameter).copy_(grad));
    first.push_back(slot.first);
    if (adamw) {
      second.push_back(slot.second);
      steps.push_back(slot.steps);
    }
  }
  if (parameters.empty()) return;
  if (lars) grads = adapted(parameters, grads, decay);
  if (adamw) {
    torch::_foreach_add_(steps, 1);
    at::_fused_adamw_(parameters, grads, first, second, {}, steps, lr, options_.beta1, options_.beta2, decay, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, skip);
    if (skip) torch::_foreach_add_(steps, *skip, -1);
  } else {
    // A momentum that starts at zero equals PyTorch's first step (momentum = gradient) because there is no dampening.
    if (options_.momentum == 0) first.clear();  // the kernel takes no buffers then
    at::_fused_sgd_(parameters, grads, first, lars ? 0.0 : decay, options_.momentum, lr, /*dampening=*/0.0,
                    options_.optimizer == "sgd" && options_.nesterov, /*maximize=*/false, /*is_first_step=*/false, /*grad_scale=*/{}, skip);
  }
}

std::vector<torch::Tensor> Optimizer::parameters() const {
  std::vector<torch::Tensor> out;
  for (const auto& group : groups_)
    for (const auto& [name, parameter] : group.parameters) out.push_back(parameter);
  return out;
}

std::map<std::string, torch::Tensor> Optimizer::state() const {
  std::map<std::string, torch::Tensor> out;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const auto& name = groups_[g].parameters[i].first;
      const Slot& slot = slots_[g][i];
      if (slot.first.defined()) out.emplace("first/" + name, slot.first);
      if (slot.second.defined()) out.emplace("second/" + name, slot.second);
      if (slot.steps.defined()) out.emplace("steps/" + name, slot.steps);
    }
  return out;
}

void Optimizer::load(const std::map<std::string, torch::Tensor>& state) {
  std::size_t used = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (std::size_t i = 0; i < slots_[g].size(); ++i) {
      const auto& [name, parameter] = groups_[g].parameters[i];
      const auto take = [&](const std::string& part, torch::Tensor& target, bool like_parameter) {
        const auto it = state.find(fmt::format("{}/{}", part, name));
        if (it == state.end()) return;
        if (like_parameter && it->second.sizes() != parameter.sizes())
          core::fail(core::Exit::bad_data, "optimizer state '{}/{}' has another shape than its parameter", part, name);
        target = like_parameter ? torch::empty_like(parameter).copy_(it->second) : it->second.to(parameter.device());
        ++used;
      };
      Slot& slot = slots_[g][i];
      slot = {};
      take("first", slot.first, true);
      take("second", slot.second, true);
      take("steps", slot.steps, false);
      if (options_.optimizer == "adamw" && (slot.first.defined() != slot.second.defined() || slot.first.defined() != slot.steps.defined()))
        core::fail(core::Exit::bad_data, "optimizer state of '{}' is incomplete", name);
    }
  if (used != state.size())
    core::fail(core::Exit::bad_data, "optimizer state holds {} tensors of which only {} belong to this network", state.size(), used);
}

}  // namespace selfsight::train
