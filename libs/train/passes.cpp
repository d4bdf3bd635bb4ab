#include "train/passes.h"

#include "core/log.h"
#include "train/autocast.h"

namespace selfsight::train {

Passes::Passes(Method& method, PassesOptions options) : method_(method), parameters_(method.parameters()), options_(std::move(options)) {
  options_.record = options_.record && options_.device.is_cuda() && method.repeats_itself();
}

void Passes::forget_gradients() {
  for (auto& parameter : parameters_) parameter.mutable_grad() = torch::Tensor();
}

Outcome Passes::passes(const Views& views, const Progress& progress, double scale,
                       const std::function<void(const torch::Tensor& loss)>& before_backward) {
  Outcome outcome;
  {
    const Autocast autocast(options_.precision, options_.device.type());
    outcome = method_.step(views, progress);
  }
  const torch::Tensor loss = scale == 1.0 ? outcome.loss : outcome.loss * scale;
  if (before_backward) before_backward(loss);
  loss.backward();
  outcome.loss = outcome.loss.detach();
  if (outcome.embedding.defined()) outcome.embedding = outcome.embedding.detach();
  return outcome;
}

bool Passes::fits(const Views& views, double scale) const {
  if (scale != scale_ || views.x.size() != x_.size()) return false;
  for (std::size_t i = 0; i < x_.size(); ++i)
    if (views.x[i].sizes() != x_[i].sizes()) return false;
  return true;
}

/// The step of a method that repeats itself reads nothing but the pixels of its views. False when it cannot be recorded after all.
bool Passes::record(const Views& views, const Progress& progress, double scale) {
  x_.clear();
  for (const auto& x : views.x) x_.push_back(x.clone());
  scale_ = scale;
  Views own;
  own.x = x_;
  auto recording = make_recording();
  if (!recording) return false;
  try {
    recording->record([&] { outcome_ = passes(own, progress, scale, nullptr); });
  } catch (const std::exception& error) {
    core::log_warning("the step cannot be recorded and is launched kernel by kernel: {}", error.what());
    forget_gradients();
    x_.clear();
    outcome_ = {};
    return false;
  }
  for (auto& parameter : parameters_)
    if (parameter.grad().defined()) gradients_.emplace_back(parameter, parameter.grad());
  recording_ = std::move(recording);
  return true;
}

Outcome Passes::run(const Views& views, const Progress& progress, double scale,
                    const std::function<void(const torch::Tensor& loss)>& before_backward) {
  constexpr int warm_up = 3;  // steps, in which libraries are opened and kernels chosen
  if (!options_.record || ++seen_ <= warm_up) return passes(views, progress, scale, before_backward);
  if (!recording_) options_.record = record(views, progress, scale);
  if (!recording_ || !fits(views, scale)) return passes(views, progress, scale, before_backward);
  for (std::size_t i = 0; i < x_.size(); ++i) x_[i].copy_(views.x[i]);
  recording_->replay();
  for (auto& [parameter, gradient] : gradients_) parameter.mutable_grad() = gradient;
  return outcome_;
}

}  // namespace selfsight::train
