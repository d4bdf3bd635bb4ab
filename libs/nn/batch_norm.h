// Batch normalisation whose batch is that of all ranks.
#pragma once

#include "dist/ranks.h"
#include "libtorch.h"

#include <cstdint>

namespace selfsight::nn {

struct BatchNormOptions {
  std::int64_t channels = 0;
  double eps = 1e-5;
  double momentum = 0.1;  ///< weight of a batch in the running statistics
  bool affine = true;     ///< with gain and bias
};

/// Of N x C or N x C x H x W (any more dimensions too); keys as torch.nn.BatchNorm's. Of several ranks mean and variance are those of the
/// rows of all of them, and so is the gradient (as torch.nn.SyncBatchNorm). Alone it is torch's own operation.
class BatchNormImpl : public torch::nn::Module, public dist::RankAware {
 public:
  explicit BatchNormImpl(std::int64_t channels) : BatchNormImpl(BatchNormOptions{.channels = channels}) {}
  explicit BatchNormImpl(const BatchNormOptions& options);

  torch::Tensor forward(const torch::Tensor& x);
  /// relu(forward(x) + residual), the latter as x or undefined. On a GPU it is one operation, which moves less memory.
  torch::Tensor forward_relu(const torch::Tensor& x, const torch::Tensor& residual = {});
  void join(const dist::Ranks& ranks) override { ranks_ = ranks; }
  /// Ranks normalise each their own part of the batch, as when a batch goes through in groups (MoCo).
  void keep_local() { local_ = true; }
  /// Whether running statistics differ from rank to rank.
  [[nodiscard]] bool is_local() const { return local_ && !ranks_.alone(); }

  torch::Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 private:
  [[nodiscard]] std::int64_t values_of(const torch::Tensor& x) const;

  BatchNormOptions options_;
  dist::Ranks ranks_;
  bool local_ = false;
};
TORCH_MODULE(BatchNorm);

/// keep_local() for all in `module`.
void keep_norms_local(const torch::nn::Module& module);
/// Gives the running statistics of local ones their mean over ranks, so that the ranks' networks are one again.
void average_local_norms(const torch::nn::Module& module, const dist::Ranks& ranks);

}  // namespace selfsight::nn
