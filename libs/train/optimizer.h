// SGD, LARS and AdamW over named parameters, with the state in named tensors so that a checkpoint needs no code of its own.
#pragma once

#include "core/options.h"
#include "libtorch.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::train {

/// Parameters that share their rules. A method may return several; the defaults give weights and 1-D parameters one each.
struct ParameterGroup {
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  double lr_scale = 1.0;     ///< factor on the scheduled learning rate
  double decay_scale = 1.0;  ///< factor on the scheduled weight decay; 0 for norms and biases
  bool adapt = true;         ///< LARS: scale by the trust ratio; false for norms and biases
  bool fixed_lr = false;     ///< the schedule does not apply: lr_scale times the peak rate throughout (SimSiam's predictor)
};

struct OptimizerOptions {
  std::string optimizer = "sgd";
  double momentum = 0.9;                              ///< SGD and LARS
  bool nesterov = false;                              ///< SGD: the step is along g + momentum * m (m with g in it) instead of m
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  ///< AdamW
  double trust = 0.001;                               ///< LARS (You et al. 2017)
  std::string lars_norm = "separate";  ///< its denominator: |g| + wd |w| (LARC, as SwAV), or "joint": |g + wd w| (SimCLR, BYOL)
  bool exclude_1d = true;              ///< no weight decay (and no trust ratio) for norms and biases
  void describe(core::Options& options);
};

/// All trainable parameters of a module in two groups: matrices and filters, and 1-D ones (not decayed when `exclude_1d`).
std::vector<ParameterGroup> default_groups(const torch::nn::Module& module, bool exclude_1d);

/// A parameter without a gradient is left alone entirely: neither decay nor momentum moves it.
class Optimizer {
 public:
  /// Error: usage for Nesterov's momentum without any.
  Optimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options);
  /// One update. `peak_lr` is for groups with a fixed rate. `skip` (float32, one value, on the parameters' device): where it is 1 nothing
  /// is changed, which the device finds out by itself, so that the host need not know it yet.
  void step(double lr, double peak_lr, double weight_decay, const std::optional<torch::Tensor>& skip = {});
  void zero_grad();
  /// Named state tensors ("first/<parameter>" momentum or first moment, "second/...", "steps/..."), by reference.
  [[nodiscard]] std::map<std::string, torch::Tensor> state() const;
  /// A parameter of which `state` knows nothing starts afresh. Error: bad_data for tensors that do not fit, belong to no parameter, or are
  /// only a part of a parameter's state.
  void load(const std::map<std::string, torch::Tensor>& state);
  /// All that it trains.
  [[nodiscard]] std::vector<torch::Tensor> parameters() const;

 private:
  struct Slot {  ///< state of one parameter; tensors are made at its first update
    torch::Tensor first, second, steps;
  };
  /// Gradients with decay, each by its local rate.
  [[nodiscard]] std::vector<torch::Tensor> adapted(const std::vector<torch::Tensor>& parameters, const std::vector<torch::Tensor>& grads,
                                                   double decay) const;
  void update(const ParameterGroup& group, std::vector<Slot>& slots, double lr, double decay, const std::optional<torch::Tensor>& skip);

  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Slot>> slots_;
  OptimizerOptions options_;
};

}  // namespace selfsight::train
