// A model of ours as a TorchScript file, for programs that have PyTorch or LibTorch and not this toolkit.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"

#include <string>

namespace selfsight::tasks {

struct TorchscriptOptions {
  std::string file;    ///< "": none
  bool force = false;  ///< over a file that is not ours
  /// --torchscript, --force.
  void describe(core::Options& options);
  [[nodiscard]] bool given() const { return !file.empty(); }
  /// Before the work. Error: cannot_create for a file that this did not write.
  void check() const;
};

/// Whether a file ("-": stdin) is to be read as a manifest, and not as weights: told by its first bytes. Error: no_input.
bool looks_like_manifest(const std::string& file);

/// Writes the model's network, with logits() where it has a classifier that came with its weights (nn::to_torchscript says what is in it),
/// and "selfsight.json" beside it: method, architecture, input, mean, stddev, feature_dim, and the weights' digest. The model then names
/// the file as its "torchscript". Errors: as train::load_pretrained; cannot_create, io.
void write_torchscript(manifest::Model& model, const TorchscriptOptions& options);

}  // namespace selfsight::tasks
