#include "nn/batch_norm.h"

#include "core/error.h"
#include "nn/norm_relu.h"

#include <functional>
#include <numeric>

namespace selfsight::nn {

namespace {

std::vector<std::int64_t> all_but_channels(const torch::Tensor& x) {
  std::vector<std::int64_t> dims(static_cast<std::size_t>(x.dim()));
  std::iota(dims.begin(), dims.end(), 0);
  dims.erase(dims.begin() + 1);
  return dims;
}

torch::ScalarType wide_type(const torch::Tensor& x) { return x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32; }

/// (x - mean) / sqrt(var + eps) * gain + bias, by torch's own kernel.
torch::Tensor normalised(const torch::Tensor& x, const torch::Tensor& gain, const torch::Tensor& bias, const torch::Tensor& mean,
                         const torch::Tensor& var, double eps) {
  return torch::batch_norm(x, gain, bias, mean, var, /*training=*/false, 0.0, eps, at::globalContext().userEnabledCuDNN());
}

struct Statistics {
  torch::Tensor mean, var;  ///< over the rows of all ranks, C each; biased
};

/// From each rank's own mean and variance (Chan et al. 1979): nothing cancels as in the mean of squares.
Statistics statistics_of_all(const torch::Tensor& x, const dist::Ranks& ranks) {
  const auto [var, mean] = torch::var_mean(x.to(wide_type(x)), all_but_channels(x), /*unbiased=*/false);
  const torch::Tensor all = ranks.gather(torch::stack({mean, var}).unsqueeze(0));  // ranks x 2 x C
  const torch::Tensor means = all.select(1, 0), vars = all.select(1, 1);
  const torch::Tensor whole = means.mean(0);
  return {whole, vars.mean(0) + (means - whole).square().mean(0)};
}

struct Synchronised : torch::autograd::Function<Synchronised> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& bias, const torch::Tensor& mean, const torch::Tensor& var, double eps,
                               const dist::Ranks& ranks) {
    context->save_for_backward({x, weight, mean, var});
    context->saved_data["eps"] = eps;
    context->saved_data["ranks"] = dist::saved(ranks);
    return normalised(x, weight, bias, mean, var, eps);
  }

  // torch's own backward pass gives the gradient as if this rank's rows were the batch, from the statistics that it is given. With
  // s = sum of dy and t = sum of dy * normalised x over the rows, it takes s/n and t/n off; what is missing to the sums over all rows is
  // a line in the normalised x, which is normalisation again.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    const auto kept = context->get_saved_variables();
    const torch::Tensor &x = kept[0], &weight = kept[1], &mean = kept[2], &var = kept[3];
    const double eps = context->saved_data["eps"].toDouble();
    const dist::Ranks ranks = dist::saved_ranks(context->saved_data["ranks"]);
    const torch::Tensor scale = (var + eps).rsqrt();
    const torch::Tensor dy = grads[0].contiguous(x.suggest_memory_format());
    auto [dx, t, s] = at::native_batch_norm_backward(dy, x, weight, mean, var, mean, scale, /*train=*/true, eps, {true, true, true});
    const torch::Tensor own = torch::stack({s, t}).to(mean.scalar_type());
    torch::Tensor all = own.clone();
    ranks.sum_(all);
    const double rows = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
    const torch::Tensor missing = (own / rows - all / (rows * ranks.size())) * (weight * scale);
    dx.add_(normalised(x, missing[1], missing[0], mean, var, eps));
    return {dx, t, s, {}, {}, {}, {}};
  }
};

template <class F>
void each_norm(const torch::nn::Module& module, F visit) {
  for (const auto& part : module.modules(/*include_self=*/false))
    if (auto* norm = part->as<BatchNormImpl>()) visit(*norm);
}

}  // namespace

BatchNormImpl::BatchNormImpl(const BatchNormOptions& options) : options_(options) {
  if (options.affine) {
    weight = register_parameter("weight", torch::ones({options.channels}));
    bias = register_parameter("bias", torch::zeros({options.channels}));
  }
  running_mean = register_buffer("running_mean", torch::zeros({options.channels}));
  running_var = register_buffer("running_var", torch::ones({options.channels}));
  num_batches_tracked = register_buffer("num_batches_tracked", torch::tensor(0, torch::kInt64));
}

/// The number of values a channel in a training batch.
std::int64_t BatchNormImpl::values_of(const torch::Tensor& x) const {
  const std::int64_t values = x.numel() / x.size(1) * (local_ ? 1 : ranks_.size());
  if (values < 2) core::fail(core::Exit::usage, "batch normalisation needs more than one value a channel; give a larger --batch");
  return values;
}

torch::Tensor BatchNormImpl::forward_relu(const torch::Tensor& x, const torch::Tensor& residual) {
  if (is_training() && (local_ || ranks_.alone()) && options_.affine && norm_relu_takes(x)) {
    static_cast<void>(values_of(x));
    return norm_relu(x, weight, bias, residual, running_mean, running_var, num_batches_tracked, options_.momentum, options_.eps);
  }
  torch::Tensor y = forward(x);
  if (residual.defined()) y.add_(residual);
  return y.relu_();
}

torch::Tensor BatchNormImpl::forward(const torch::Tensor& x) {
  if (!is_training()) return normalised(x, weight, bias, running_mean, running_var, options_.eps);
  const std::int64_t values = values_of(x);
  num_batches_tracked += 1;
  if (local_ || ranks_.alone())
    return torch::batch_norm(x, weight, bias, running_mean, running_var, /*training=*/true, options_.momentum, options_.eps,
                             at::globalContext().userEnabledCuDNN());
  Statistics of_all;
  {
    const torch::NoGradGuard no_grad;
    of_all = statistics_of_all(x, ranks_);
    const double unbiased = static_cast<double>(values) / static_cast<double>(values - 1);
    running_mean.mul_(1 - options_.momentum).add_(of_all.mean, options_.momentum);
    running_var.mul_(1 - options_.momentum).add_(of_all.var, options_.momentum * unbiased);
  }
  const torch::Tensor gain = weight.defined() ? weight : torch::ones_like(running_mean);
  const torch::Tensor shift = bias.defined() ? bias : torch::zeros_like(running_mean);
  return Synchronised::apply(x, gain, shift, of_all.mean, of_all.var, options_.eps, ranks_);
}

void keep_norms_local(const torch::nn::Module& module) {
  each_norm(module, [](BatchNormImpl& norm) { norm.keep_local(); });
}

void average_local_norms(const torch::nn::Module& module, const dist::Ranks& ranks) {
  if (ranks.alone()) return;
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> statistics, flat;
  each_norm(module, [&](BatchNormImpl& norm) {
    if (!norm.is_local()) return;
    for (const auto& tensor : {norm.running_mean, norm.running_var}) statistics.push_back(tensor), flat.push_back(tensor.flatten());
  });
  if (statistics.empty()) return;
  const torch::Tensor mean = ranks.mean(torch::cat(flat));
  std::int64_t begin = 0;
  for (auto& tensor : statistics) {
    tensor.copy_(mean.narrow(0, begin, tensor.numel()));
    begin += tensor.numel();
  }
}

}  // namespace selfsight::nn
