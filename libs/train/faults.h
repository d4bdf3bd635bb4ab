// What becomes of losses and gradients that are not finite: an update is skipped, then the run goes back, then it fails with a cause. Alike
// on all ranks, for all see the same loss and gradients.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>

namespace selfsight::train {

class Faults {
 public:
  /// `scaled`: losses are multiplied by scale() before the backward pass (fp16), which follows the overflows.
  explicit Faults(bool scaled) : scaled_(scaled), scale_(scaled ? 65536 : 1) {}

  [[nodiscard]] bool scaled() const { return scaled_; }
  [[nodiscard]] double scale() const { return scale_; }
  /// Takes notice of an update's loss and gradient; false when the update must be skipped, with a warning.
  bool usable(std::int64_t step, double loss, bool finite_gradient);
  /// False amid updates that are skipped: such a state is good to go on from, not to go back to.
  [[nodiscard]] bool clean() const { return in_a_row_ == 0; }
  /// So many updates were skipped in a row that the weights themselves are suspect.
  [[nodiscard]] bool must_go_back() const;
  /// At `step` the run goes back to a checkpoint, if there is one, and this is put right after it is loaded (`before`: as it was at the
  /// fault). Error: bad_data when it went back too often since anything came of it.
  void check_return(std::int64_t step, bool has_checkpoint, double peak_lr) const;
  void note_return(std::int64_t step, const Faults& before);
  /// A clean checkpoint at `step` is something that came of it.
  void note_checkpoint(std::int64_t step);
  /// The seed of what a run that went back must not do again: the same batches with the same noise would end in the same fault.
  [[nodiscard]] std::uint64_t seed(std::uint64_t seed) const { return seed + 0x9E3779B97F4A7C15 * static_cast<std::uint64_t>(returns_); }

  [[nodiscard]] static constexpr int patience() { return 5; }
  [[nodiscard]] nlohmann::json state() const;
  void load(const nlohmann::json& state);

 private:
  bool scaled_;
  double scale_;
  std::int64_t scale_age_ = 0;  ///< clean updates since it changed
  int in_a_row_ = 0;            ///< skipped updates
  int returns_ = 0;             ///< to a checkpoint, all of them
  int fruitless_ = 0;           ///< those since the last clean checkpoint beyond a fault
  std::int64_t fault_step_ = 0;
};

}  // namespace selfsight::train
