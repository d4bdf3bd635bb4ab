#include "dist/gradients.h"

#include "dist/communicator.h"

#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <string>
#include <unordered_map>

namespace selfsight::dist {

namespace {

constexpr std::int64_t first_bucket = 1 << 20, bucket = 25 << 20;  // bytes, as PyTorch has them

}  // namespace

std::vector<torch::Tensor> trainable(const torch::nn::Module& network) {
  auto parameters = network.parameters();
  std::erase_if(parameters, [](const torch::Tensor& parameter) { return !parameter.requires_grad(); });
  return parameters;
}

GradientReducer::GradientReducer(const Ranks& ranks, const std::vector<torch::Tensor>& parameters) {
  if (ranks.alone()) return;
  // Gradients come about in the reverse order of the network. The buckets stay as they are (PyTorch makes them anew after the first step,
  // by the order that it saw): a run that goes on from a checkpoint must add in the order of one that never stopped.
  std::vector<torch::Tensor> reversed(parameters.rbegin(), parameters.rend());
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(reversed, {first_bucket, bucket});
  const auto count = static_cast<std::int64_t>(parameters.size());
  std::unordered_map<std::size_t, std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names[static_cast<std::size_t>(i)] = std::to_string(i);
  reducer_ = std::make_unique<c10d::Reducer>(
      reversed, buckets, ranks.communicator()->group(), std::vector<bool>(reversed.size(), false), bucket,
      /*find_unused_parameters=*/true, /*gradient_as_bucket_view=*/false, names, first_bucket,
      /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, /*bucket_bytes_cap_list=*/std::vector<std::int64_t>{});
}

GradientReducer::~GradientReducer() = default;

void GradientReducer::before_backward(const torch::Tensor& loss) {
  if (reducer_) reducer_->prepare_for_backward({loss});
}

}  // namespace selfsight::dist
