// Weights of other toolkits as a model of ours.
#pragma once

#include "core/options.h"
#include "manifest/manifest.h"
#include "manifest/safetensors.h"
#include "nn/backbone.h"
#include "weights/fit.h"

#include <functional>

namespace selfsight::tasks {

struct ConvertOptions {
  nn::BackboneOptions backbone;
  std::string method = "converted";  ///< what reports call the model
  std::string prefix = "auto";       ///< of the file's keys
  std::string classifier;            ///< key of a linear layer on the features, behind the prefix ("fc"); empty: none
  bool skip_objects = false;         ///< leave out what is no tensor, container, number or text instead of refusing the file
  bool dry_run = false;
  std::vector<double> mean, stddev;  ///< of the normalisation; empty: the usual ones for the channels
  /// The options of the backbone and these.
  void describe(core::Options& options);
  /// Error: usage for numbers that do not go with the channels.
  void check() const;
};

/// A file of torch.save or of safetensors, with the network that fits in it.
struct ForeignWeights {
  weights::Shapes shapes;  ///< of all its tensors
  weights::Fit fit;
  std::map<std::string, std::string> left_out;  ///< classes of objects that were skipped, with the key of the first of each
  std::function<manifest::TensorView(const std::string& key)> tensor;  ///< a view that lasts as long as this
};

/// Reads `path` and looks for the backbone in it; a checkpoint of ours says itself which of its networks it is. Errors: no_input; bad_data
/// naming the file: of no known format, damaged, objects in it.
ForeignWeights read_foreign(const std::filesystem::path& path, const ConvertOptions& options);

/// What fits and what does not, line by line; the last says what to do.
std::vector<std::string> told(const ForeignWeights& weights);

/// The model with its weights in `folder`/weights.safetensors (numbers of other kinds become float32), and its classifier as a head of that
/// name. Error: bad_data if the fit is not complete, or the classifier is not there or not of the features' width.
manifest::Model convert(const ForeignWeights& weights, const ConvertOptions& options, const std::string& origin,
                        const std::filesystem::path& folder);

}  // namespace selfsight::tasks
