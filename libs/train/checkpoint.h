// Checkpoints: one folder a step, written whole or not at all, verified by digest when read.
#pragma once

#include "core/files.h"
#include "libtorch.h"

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
  std::int64_t epoch = 0;                           ///< so many epochs are done, just now; 0: amid an epoch
  std::optional<double> knn;                        ///< accuracy of the online kNN at this step
};

/// Which checkpoints stay.
struct Retention {
  std::int64_t newest = 2;  ///< so many
  std::int64_t every = 0;   ///< and those of every so many epochs, for good; 0: none
  bool best = false;        ///< and the one with the best kNN, the earliest of equals
};

class Checkpoints {
 public:
  /// `folder` holds step-00000123/{state.safetensors,checkpoint.json}.
  Checkpoints(core::fs::path folder, Retention retention) : folder_(std::move(folder)), retention_(retention) {}

  /// Checks the free space first, writes beside, renames, verifies by reading back, and only then removes what need not stay; the newest
  /// that is not suspect stays in any case.
  /// `network` goes into the metadata of state.safetensors as "selfsight.network": ssl-convert finds the backbone by it among its EMA
  /// copies. Errors: cannot_create, io; the ones before stay.
  void save(const CheckpointState& state) const;
  /// Error: io where there is no room for a checkpoint of so many bytes.
  void look_for_room(std::uint64_t bytes) const;
  /// The newest that is whole; a damaged one is named in a warning, renamed to damaged-step-..., and the one before is taken. nullopt where
  /// there never was one. Errors: bad_data when all are damaged, io.
  [[nodiscard]] std::optional<CheckpointState> newest() const { return newest_of(/*clean=*/false); }
  /// The newest that is whole and not suspect.
  [[nodiscard]] std::optional<CheckpointState> newest_clean() const { return newest_of(/*clean=*/true); }
  /// A checkpoint with this epoch and kNN would stay beyond the newest ones.
  [[nodiscard]] bool worth_keeping(std::int64_t epoch, std::optional<double> knn) const;

 private:
  [[nodiscard]] std::optional<CheckpointState> newest_of(bool clean) const;
  struct Entry {
    core::fs::path path;
    bool suspect = true;
    std::int64_t epoch = 0;
    std::optional<double> knn;
  };
  [[nodiscard]] std::vector<Entry> list() const;  // newest first
  [[nodiscard]] std::optional<core::fs::path> best_of(const std::vector<Entry>& entries) const;
  void remove_needless() const;
  static CheckpointState load(const core::fs::path& path);

  core::fs::path folder_;
  Retention retention_;
};

}  // namespace selfsight::train
