// What the networks do otherwise on a GPU. Only where a CUDA device is.
#include "unit/cuda.h"
#include "nn/batch_norm.h"
#include "nn/norm_relu.h"

#include <doctest/doctest.h>

using namespace selfsight;

namespace {

/// The result, the gradients of x, residual, gain and bias, and the running statistics, in float64 on the CPU.
std::vector<torch::Tensor> results(nn::BatchNorm& norm, const torch::Tensor& x, const torch::Tensor& residual,
                                   const torch::Tensor& weights) {
  const torch::Tensor own = x.detach().clone().requires_grad_();
  const torch::Tensor added = residual.defined() ? residual.detach().clone().requires_grad_() : torch::Tensor();
  norm->zero_grad();
  const torch::Tensor y = norm->forward_relu(own, added);
  (y * weights).sum().backward();
  std::vector<torch::Tensor> out = {y, own.grad(), norm->weight.grad(), norm->bias.grad(), norm->running_mean, norm->running_var};
  if (added.defined()) out.push_back(added.grad());
  for (auto& tensor : out) tensor = tensor.detach().to(torch::kCPU, torch::kFloat64);
  return out;
}

}  // namespace

TEST_CASE("normalisation with ReLU in one operation is torch's normalisation, addition and ReLU in float64") {
  if (!test::has_cuda_device()) return;
  struct Size {
    std::int64_t n, c, h, w;
  };
  for (const Size size :
       {Size{8, 64, 9, 7}, {4, 8, 1, 1}, {64, 16, 32, 32}, {3, 24, 5, 5}, {16, 512, 4, 4}, {4, 2048, 7, 7}, {128, 64, 32, 32}})
    for (const auto type : {torch::kFloat32, torch::kBFloat16, torch::kHalf})
      for (const bool with_residual : {false, true}) {
        CAPTURE(size.n);
        CAPTURE(size.c);
        CAPTURE(static_cast<int>(type));
        CAPTURE(with_residual);
        torch::manual_seed(size.n + size.c);
        const auto draw = [&] { return torch::randn({size.n, size.c, size.h, size.w}).to(type).to(torch::kFloat64); };
        const torch::Tensor far = (draw() * 0.5 + 3).to(type).to(torch::kFloat64);  // a mean that is not small beside the deviation
        const torch::Tensor residual = with_residual ? draw() : torch::Tensor(), weights = draw();
        nn::BatchNorm host(size.c), device(size.c);
        {
          const torch::NoGradGuard no_grad;
          for (auto& norm : {host, device}) {
            torch::manual_seed(5);
            norm->weight.copy_(torch::randn({size.c}));
            norm->bias.copy_(torch::randn({size.c}));
          }
        }
        host->to(torch::kFloat64);
        device->to(torch::kCUDA);
        const auto there = [&](const torch::Tensor& x) {
          return x.defined() ? x.to(torch::kCUDA, type).contiguous(torch::MemoryFormat::ChannelsLast) : x;
        };
        const auto expected = results(host, far, residual, weights), found = results(device, there(far), there(residual), there(weights));
        CHECK(nn::norm_relu_takes(there(far)));
        CHECK(device->num_batches_tracked.item<std::int64_t>() == 1);
        const double share = type == torch::kFloat32 ? 1e-4 : type == torch::kHalf ? 5e-3 : 2e-2;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          CAPTURE(i);
          CHECK((found[i] - expected[i]).norm().item<double>() <= share * expected[i].norm().item<double>() + 1e-6);
        }
      }
}
