// Checkpoints: one folder a step, written whole or not at all, verified by digest when read.
#pragma once

#include "core/files.h"

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <string>

namespace selfsight::train {

struct CheckpointState {
  std::int64_t step = 0;
  std::map<std::string, torch::Tensor> tensors;     ///< "method/<name>", "optimizer/<name>"
  nlohmann::json facts = nlohmann::json::object();  ///< loss scale, sizes of the record files, counters
  std::string network;                              ///< what stands before the exported backbone's names in `tensors`; "" when not known
  bool suspect = false;                             ///< written amid updates that were skipped: good to go on from, not to go back to
};

class Checkpoints {
 public:
  /// `folder` holds step-00000123/{state.safetensors,checkpoint.json}; the newest `keep` are kept.
  Checkpoints(core::fs::path folder, std::int64_t keep) : folder_(std::move(folder)), keep_(keep) {}

  /// Checks the free space first, writes beside, renames, verifies by reading back, and only then removes the oldest; the newest
  /// that is not suspect stays in any case.
  /// `network` goes into the metadata of state.safetensors as "selfsight.network": ssl-convert finds the backbone by it among its EMA
  /// copies. Errors: cannot_create, io; the ones before stay.
  void save(const CheckpointState& state) const;
  /// The newest that is whole; a damaged one is named in a warning, renamed to damaged-step-..., and the one before is taken. None:
  /// nullopt.
  [[nodiscard]] std::optional<CheckpointState> newest() const { return newest_of(/*clean=*/false); }
  /// The newest that is whole and not suspect.
  [[nodiscard]] std::optional<CheckpointState> newest_clean() const { return newest_of(/*clean=*/true); }

 private:
  [[nodiscard]] std::optional<CheckpointState> newest_of(bool clean) const;
  [[nodiscard]] std::vector<core::fs::path> list() const;  // newest first
  static CheckpointState load(const core::fs::path& path);

  core::fs::path folder_;
  std::int64_t keep_;
};

}  // namespace selfsight::train
