// What the first rank has read, in the hands of all: the others need not see its folder.
#pragma once

#include "core/tool.h"
#include "dist/ranks.h"
#include "manifest/manifest.h"
#include "train/checkpoint.h"

#include <optional>
#include <string>

namespace selfsight::train {

/// All ranks must have been started alike. Error: usage, on all of them, with the difference between the first's facts and those of a rank.
void check_alike(const nlohmann::json& own, const dist::Ranks& ranks);
/// The same of what stands on the command line: arguments, and options that change the result.
void check_alike(core::CommandLine& cli, const dist::Ranks& ranks);
/// A yes or no of the first rank; the others' is not looked at.
bool first_says(bool yes, const dist::Ranks& ranks);
/// manifest::read_document by the first rank, which alone needs to see the file, or to have the pipe that `cli` stands at the end of.
/// Errors: as there, and as core::CommandLine::input.
manifest::Document read_document(const std::string& file, const dist::Ranks& ranks);
manifest::Document read_input(const core::CommandLine& cli, const dist::Ranks& ranks);
/// A tensor of the first rank, on the CPU, of which the others know neither shape nor type.
torch::Tensor from_first(const torch::Tensor& x, const dist::Ranks& ranks);
/// `state`: what the first rank read, if there is anything; the others' is not looked at. All get the same, on the CPU.
std::optional<CheckpointState> share_state(const std::optional<CheckpointState>& state, const dist::Ranks& ranks);

}  // namespace selfsight::train
