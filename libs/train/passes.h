// The forward and backward pass of a method's step.
#pragma once

#include "train/method.h"
#include "train/recording.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace selfsight::train {

struct PassesOptions {
  std::string precision = "fp32";  ///< of the forward pass: fp32, bf16, fp16 (autocast)
  torch::Device device = torch::kCPU;
  bool record = false;  ///< on a GPU: steps that repeat themselves are recorded and replayed
};

class Passes {
 public:
  /// `method` must outlive this. Recorded or not, the same kernels run on the same numbers.
  Passes(Method& method, PassesOptions options);
  /// Whether the step has been recorded: steps of the same sizes are replays from then on.
  [[nodiscard]] bool recorded() const { return recording_ != nullptr; }
  /// Makes all gradients undefined, those of parameters that no optimizer trains too.
  void forget_gradients();
  /// Leaves the gradient of `scale` times the loss in the parameters, whose gradients must be undefined (where nothing is recorded: the new
  /// ones are added). `before_backward` is called between the two passes. What is given back is good until the next call.
  Outcome run(const Views& views, const Progress& progress, double scale,
              const std::function<void(const torch::Tensor& loss)>& before_backward);

 private:
  Outcome passes(const Views& views, const Progress& progress, double scale,
                 const std::function<void(const torch::Tensor& loss)>& before_backward);
  [[nodiscard]] bool fits(const Views& views, double scale) const;
  bool record(const Views& views, const Progress& progress, double scale);

  Method& method_;
  std::vector<torch::Tensor> parameters_;  ///< of the method: looking them up takes longer than a small step's launches
  PassesOptions options_;
  int seen_ = 0;  ///< steps so far
  // Of the recorded step: its input, what it gives back, and the gradients that it leaves.
  std::unique_ptr<Recording> recording_;
  std::vector<torch::Tensor> x_;
  Outcome outcome_;
  std::vector<std::pair<torch::Tensor, torch::Tensor>> gradients_;
  double scale_ = 1;
};

}  // namespace selfsight::train
