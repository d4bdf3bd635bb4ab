// Weights of other toolkits as a model of ours.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"
#include "manifest/safetensors.h"
#include "nn/backbone.h"
#include "weights/fit.h"

namespace selfsight::tasks {

struct ConvertOptions {
  nn::BackboneOptions backbone;
  std::string method = "converted";  ///< what reports call the model
  std::string prefix = "auto";       ///< of the file's keys
  bool skip_objects = false;         ///< leave out what is no tensor, container, number or text instead of refusing the file
  bool dry_run = false;
  std::string mean, stddev;  ///< empty: the usual ones for the channels
  /// The options of the backbone and these.
  void describe(core::Options& options);
};

/// The tensors of a file of torch.save or of safetensors, with the network that fits among them.
struct ForeignWeights {
  std::map<std::string, manifest::TensorView> tensors;  ///< valid as long as this object
  weights::Fit fit;
  std::map<std::string, std::string> left_out;  ///< classes of objects that were skipped, with the key of the first of each
  std::shared_ptr<void> file;
};

/// Reads `path` and looks for the backbone in it. Errors: no_input; bad_data naming the file: of no known format, damaged, objects in it.
ForeignWeights read_foreign(const std::filesystem::path& path, const ConvertOptions& options);

/// What fits and what does not, line by line; the last says what to do.
std::vector<std::string> told(const ForeignWeights& weights);

/// The model with its weights in `folder`/weights.safetensors; numbers of other kinds become float32. Error: bad_data if the fit is not
/// complete.
manifest::Model convert(const ForeignWeights& weights, const ConvertOptions& options, const std::string& origin,
                        const std::filesystem::path& folder);

}  // namespace selfsight::tasks
