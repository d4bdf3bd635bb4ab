// Feature maps as rows of cells, and where in the image each cell lies: what losses and judges of dense features share.
//
// A map N x C x h x w has P = h w cells, numbered row by row.
#pragma once

#include "data/view.h"
#include "libtorch.h"
#include "nn/heads.h"

#include <vector>

namespace selfsight::nn {

/// N x C x h x w -> N x P x C.
torch::Tensor cells(const torch::Tensor& map);

/// The head on every cell: N x C x h x w -> N x P x D. The same as a head of 1x1 convolutions, its batch normalisation over all cells of
/// all images.
torch::Tensor forward_cells(Mlp& head, const torch::Tensor& map);

/// Cells to unit length, N x P x D, in float32 or better.
torch::Tensor unit_cells(const torch::Tensor& x);

/// Where views come from: N x 4 float64 (x0, y0, x1, y1), the edges of the crop as shares of the source's width and height. A mirrored
/// view has x0 > x1: its first column of cells shows the right end of the box.
torch::Tensor crop_boxes(const std::vector<data::Geometry>& views);

/// Distances between the centres of cells of two views of the same images, N x P x P, in diagonals of a cell: of the larger cell of the
/// two (PixPro, arXiv 2011.10043, section 3.1). `a`, `b`: N x 4 boxes of crop_boxes; the result has their dtype and device. Rows are the
/// cells of the first view.
torch::Tensor cell_distances(const torch::Tensor& a, const torch::Tensor& b, std::int64_t h, std::int64_t w);

}  // namespace selfsight::nn
