// The picture of what a run trains on.
#pragma once

#include "core/files.h"
#include "train/tensors.h"

namespace selfsight::train {

/// The views of the first twelve samples of a batch (each N x C x H x W or N x C x T x H x W, normalised) as a PNG: a row a view (of clips
/// the first frame), a column a sample. Errors: cannot_create, io.
void write_views(const std::vector<torch::Tensor>& views, const Normalisation& normalisation, const core::fs::path& file);

}  // namespace selfsight::train
