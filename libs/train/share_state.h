// A checkpoint in the hands of all ranks: the first one reads it, so the others need not see the folder.
#pragma once

#include "dist/ranks.h"
#include "train/checkpoint.h"

#include <optional>

namespace selfsight::train {

/// `state`: what the first rank read, if there is anything; the others' is not looked at. All get the same, on the CPU.
std::optional<CheckpointState> share_state(const std::optional<CheckpointState>& state, const dist::Ranks& ranks);

}  // namespace selfsight::train
