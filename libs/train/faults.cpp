#include "train/faults.h"

#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <cmath>

namespace selfsight::train {

bool Faults::usable(std::int64_t step, double loss, bool finite_gradient) {
  if (scaled_ && std::isfinite(loss)) {
    // The usual rule: halve on overflow, double after 2000 clean updates. Overflow without any scale is a fault like others.
    if (!finite_gradient && scale_ > 1) {
      scale_ = std::max(1.0, scale_ / 2);
      scale_age_ = 0;
      return false;
    }
    if (finite_gradient && ++scale_age_ == 2000) {
      scale_ *= 2;
      scale_age_ = 0;
    }
  }
  if (std::isfinite(loss) && finite_gradient) {
    in_a_row_ = 0;
    return true;
  }
  ++in_a_row_;
  core::log_warning("step {}: the loss is {}{}; the update is skipped ({} in a row)", step, loss,
                    std::isfinite(loss) ? " and its gradient is not finite" : "", in_a_row_);
  return false;
}

bool Faults::must_go_back() const { return in_a_row_ >= patience(); }

void Faults::check_return(std::int64_t step, bool has_checkpoint, double peak_lr) const {
  constexpr int most_fruitless = 2;
  if (fruitless_ < most_fruitless && has_checkpoint) return;
  core::fail(core::Exit::bad_data,
             "the loss or its gradient stays non-finite at step {} (after {} returns to a checkpoint). Usual causes: learning rate {:.4g} "
             "too high for this batch, fp16 overflow (try --precision bf16), or images that are all the same",
             step, fruitless_, peak_lr);
}

void Faults::note_return(std::int64_t step, const Faults& before) {
  returns_ = before.returns_ + 1;
  fruitless_ = before.fruitless_ + 1;
  fault_step_ = step;
  in_a_row_ = 0;
}

void Faults::note_checkpoint(std::int64_t step) {
  if (step > fault_step_ && clean()) fruitless_ = 0;
}

nlohmann::json Faults::state() const {
  return {{"loss_scale", scale_},  {"scale_age", scale_age_}, {"non_finite", in_a_row_},
          {"rollbacks", returns_}, {"fruitless", fruitless_}, {"fault_step", fault_step_}};
}

void Faults::load(const nlohmann::json& state) {
  scale_ = state.at("loss_scale").get<double>();
  scale_age_ = state.at("scale_age").get<std::int64_t>();
  in_a_row_ = state.value("non_finite", 0);
  returns_ = state.value("rollbacks", 0);
  fruitless_ = state.value("fruitless", 0);
  fault_step_ = state.value("fault_step", std::int64_t{0});
}

}  // namespace selfsight::train
