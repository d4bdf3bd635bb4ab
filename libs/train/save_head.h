// Heads beside a model's backbone, as load_encoder reads them.
#pragma once

#include "core/files.h"
#include "libtorch.h"

#include <nlohmann/json.hpp>

#include <string>

namespace selfsight::train {

/// Where the head `name` of a model in `folder` has its weights.
core::fs::path head_file(const core::fs::path& folder, const std::string& name);
/// Writes the weights and returns the head's entry in the model manifest: the file with its digest, and the architecture of an nn::Mlp.
nlohmann::json save_head(const core::fs::path& folder, const std::string& name, const torch::nn::Module& head);

}  // namespace selfsight::train
