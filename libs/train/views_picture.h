// The picture of what a run trains on.
#pragma once

#include "core/files.h"
#include "data/loader.h"

namespace selfsight::train {

/// The views of the first twelve samples of a batch as a PNG: a row a view, a column a sample. Errors: cannot_create, io.
void write_views(const data::Batch& batch, const core::fs::path& file);

}  // namespace selfsight::train
