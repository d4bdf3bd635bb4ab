#include "nn/norm_relu.h"

#include "core/error.h"

#ifdef SELFSIGHT_CUDA
#include "nn/cuda/norm_relu.h"

#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <optional>
#endif

namespace selfsight::nn {

#ifdef SELFSIGHT_CUDA

namespace {

cuda::Shape shape_of(const torch::Tensor& x) {
  cuda::Shape shape;
  shape.element = x.scalar_type() == torch::kBFloat16 ? cuda::Element::bfloat16
                  : x.scalar_type() == torch::kHalf   ? cuda::Element::float16
                                                      : cuda::Element::float32;
  shape.channels = x.size(1);
  shape.rows = x.numel() / x.size(1);
  return shape;
}

struct NormRelu : torch::autograd::Function<NormRelu> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x, const torch::Tensor& gain,
                               const torch::Tensor& bias, const std::optional<torch::Tensor>& residual, const torch::Tensor& running_mean,
                               const torch::Tensor& running_var, const torch::Tensor& batches, double momentum, double eps) {
    const c10::DeviceGuard guard(x.device());
    const cuda::Shape shape = shape_of(x);
    const torch::Tensor y = torch::empty_like(x), mean = torch::empty_like(gain), inverse = torch::empty_like(gain);
    const torch::Tensor scratch = torch::empty({cuda::scratch_floats(shape)}, gain.options());
    cuda::norm_relu({.shape = shape,
                     .x = x.const_data_ptr(),
                     .residual = residual ? residual->const_data_ptr() : nullptr,
                     .weight = gain.const_data_ptr<float>(),
                     .bias = bias.const_data_ptr<float>(),
                     .y = y.data_ptr(),
                     .mean = mean.data_ptr<float>(),
                     .inverse = inverse.data_ptr<float>(),
                     .running_mean = running_mean.data_ptr<float>(),
                     .running_var = running_var.data_ptr<float>(),
                     .batches = batches.data_ptr<std::int64_t>(),
                     .momentum = momentum,
                     .eps = eps,
                     .scratch = scratch.data_ptr<float>()},
                    c10::cuda::getCurrentCUDAStream());
    context->save_for_backward({x, gain, bias, mean, inverse, residual ? y : torch::Tensor()});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list grads) {
    const auto kept = context->get_saved_variables();
    const torch::Tensor &x = kept[0], &gain = kept[1], &y = kept[5];
    const c10::DeviceGuard guard(x.device());
    const torch::Tensor dy = grads[0].to(x.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast);
    const cuda::Shape shape = shape_of(x);
    const torch::Tensor dx = torch::empty_like(x), dgain = torch::empty_like(gain), dbias = torch::empty_like(gain);
    const torch::Tensor dresidual = y.defined() ? torch::empty_like(x) : torch::Tensor();
    const torch::Tensor scratch = torch::empty({cuda::scratch_floats(shape)}, gain.options());
    cuda::norm_relu({.shape = shape,
                     .x = x.const_data_ptr(),
                     .y = y.defined() ? y.const_data_ptr() : nullptr,
                     .dy = dy.const_data_ptr(),
                     .weight = gain.const_data_ptr<float>(),
                     .bias = kept[2].const_data_ptr<float>(),
                     .mean = kept[3].const_data_ptr<float>(),
                     .inverse = kept[4].const_data_ptr<float>(),
                     .dx = dx.data_ptr(),
                     .dresidual = dresidual.defined() ? dresidual.data_ptr() : nullptr,
                     .dweight = dgain.data_ptr<float>(),
                     .dbias = dbias.data_ptr<float>(),
                     .scratch = scratch.data_ptr<float>()},
                    c10::cuda::getCurrentCUDAStream());
    return {dx, dgain, dbias, dresidual, {}, {}, {}, {}, {}};
  }
};

}  // namespace

bool norm_relu_takes(const torch::Tensor& x) {
  const auto type = x.scalar_type();
  if (!x.is_cuda() || x.dim() != 4 || (type != torch::kFloat32 && type != torch::kHalf && type != torch::kBFloat16)) return false;
  return x.numel() > 0 && x.is_contiguous(torch::MemoryFormat::ChannelsLast) &&
         x.size(1) % cuda::values_in_a_pack(shape_of(x).element) == 0;
}

torch::Tensor norm_relu(const torch::Tensor& x, const torch::Tensor& gain, const torch::Tensor& bias, const torch::Tensor& residual,
                        const torch::Tensor& running_mean, const torch::Tensor& running_var, const torch::Tensor& batches, double momentum,
                        double eps) {
  std::optional<torch::Tensor> added;  // an undefined tensor is no argument of an autograd function
  if (residual.defined()) added = residual.to(x.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast);
  return NormRelu::apply(x, gain, bias, added, running_mean, running_var, batches, momentum, eps);
}

#else

bool norm_relu_takes(const torch::Tensor& /*x*/) { return false; }

torch::Tensor norm_relu(const torch::Tensor& /*x*/, const torch::Tensor& /*gain*/, const torch::Tensor& /*bias*/,
                        const torch::Tensor& /*residual*/, const torch::Tensor& /*running_mean*/, const torch::Tensor& /*running_var*/,
                        const torch::Tensor& /*batches*/, double /*momentum*/, double /*eps*/) {
  core::fail(core::Exit::internal, "normalisation with ReLU in one operation needs a build with CUDA");
}

#endif

}  // namespace selfsight::nn
