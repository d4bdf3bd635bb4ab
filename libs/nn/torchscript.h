// A backbone as a TorchScript module: one file that PyTorch and LibTorch run without this toolkit, under the keys of weights.safetensors.
#pragma once

#include "core/files.h"
#include "nn/backbone.h"
#include "nn/heads.h"

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

namespace selfsight::nn {

/// What an exported network says of its input.
struct ScriptInput {
  std::int64_t image = 224;          ///< side of the (square) input that it is traced with
  std::vector<double> mean, stddev;  ///< of the normalisation, per channel, on 0..1
};

/// The backbone in eval mode and frozen, traced, so that a family needs no code of its own. The tensors are the backbone's own, not copies.
/// It has
///   forward(x)         N x C x H x W, normalised -> N x D, the pooled features, for any N. H and W: any where the network takes any; those
///                      that differ from `image` by multiples of 32 where it pads by the size (EfficientNet); else `image` (ViT, AlexNet).
///                      An assertion fails for others.
///   normalize(pixels)  N x C x H x W, integers on 0..255 or floating point on 0..1 -> what forward() takes
///   logits(x)          with a `classifier` alone: that of forward(x); its tensors stand behind "classifier."
///   mean, std          lists of C numbers
///   input_size         [C, image, image]
/// and no device in it: to() moves all. Errors: usage or bad_data for an `image` that the backbone does not take; internal where the trace
/// computes something else than the backbone.
torch::jit::Module to_torchscript(Backbone& backbone, const ScriptInput& input, Mlp* classifier = nullptr);

/// Writes atomically; `notes` are texts by name beside the network, which torch.jit.load(..., _extra_files) gives back. Returns the file's
/// digest. Errors: cannot_create, io.
std::string save_torchscript(const core::fs::path& path, const torch::jit::Module& module, const std::map<std::string, std::string>& notes);
/// Whether `path` is a file of torch.jit with a note of this name; false for whatever else it is.
bool has_note(const core::fs::path& path, const std::string& name);

}  // namespace selfsight::nn
