// Features of a whole source by a frozen backbone: for the online kNN, for hooks before an epoch, for probes and ssl-embed.
#pragma once

#include "data/source.h"
#include "dist/ranks.h"
#include "manifest/manifest.h"
#include "nn/backbone.h"
#include "nn/encoder.h"
#include "nn/heads.h"
#include "train/tensors.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace selfsight::train {

/// A backbone with what its input must look like.
struct Pretrained {
  std::shared_ptr<nn::Backbone> backbone;  ///< in eval mode, on the CPU
  Normalisation normalisation;
  std::int64_t size = 0;  ///< side of the input
};
/// Builds the architecture of a model manifest and loads its weights. Errors: no_input, bad_data (weights that do not fit or are not those
/// that the manifest names).
Pretrained load_pretrained(const manifest::Model& model);

/// The backbone with one of the heads that its run exported ("projector"), frozen, in eval mode, on the CPU: a teacher. Errors: as
/// load_pretrained; bad_data when the manifest has no such head, or one that is no MLP.
std::shared_ptr<nn::Encoder<nn::Mlp>> load_encoder(const manifest::Model& model, const std::string& head);

/// One vector a sample, N x D, from a layer: "pooled", "map" (average-pooled last map) or the tap of a layer or
/// block: maps are average-pooled, tokens give the class token, or their mean without one. The mode of the backbone is the caller's. Error:
/// usage for a layer that it does not have.
torch::Tensor forward_layer(nn::Backbone& backbone, const torch::Tensor& x, const std::string& layer);
/// The same of several layers by one pass, in their order.
std::vector<torch::Tensor> forward_layers(nn::Backbone& backbone, const torch::Tensor& x, const std::vector<std::string>& layers);

struct EmbedOptions {
  std::int64_t batch = 256;
  std::int64_t workers = 0;
  std::string on_bad =
      "fail";  ///< as data::LoaderOptions has it; with "skip" a bad image's row is another image's, its index and label too
  double max_bad = 0.001;
  std::string layer = "pooled";  ///< as forward_layer takes it
  /// Fills up the last batch, for features that do not depend on the samples beside: LibTorch (2.11, CPU) goes other ways through a
  /// network for batches of other lengths, and the last bits differ. For lengths that are a multiple of 16 the place in it is the same.
  bool fill = false;
  bool progress = false;
  std::string title = "embed";
  dist::Ranks ranks;  ///< each embeds its part, and all get the whole
};

struct Embedded {
  torch::Tensor features;  ///< n x D float32, CPU
  torch::Tensor labels;    ///< n int64, -1 without
  torch::Tensor index;     ///< n int64: position in the source
};

/// Runs `backbone` in eval mode (its mode is restored) without gradients over `indices` of `source` (all when empty), evaluation view of
/// `size` pixels. Needs no more memory than the features (of several ranks: of all, on each) and a few batches.
Embedded embed(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size,
               const std::shared_ptr<const data::Source>& source, const std::vector<std::int64_t>& indices, const torch::Device& device,
               const EmbedOptions& options);
/// The same of several layers by one pass, in their order, whatever options.layer says; the features of all are in memory together.
std::vector<Embedded> embed_layers(nn::Backbone& backbone, const Normalisation& normalisation, std::int64_t size,
                                   const std::shared_ptr<const data::Source>& source, const std::vector<std::int64_t>& indices,
                                   const torch::Device& device, const std::vector<std::string>& layers, const EmbedOptions& options);

}  // namespace selfsight::train
