#include "nn/cells.h"

#include "nn/losses.h"

namespace selfsight::nn {

torch::Tensor cells(const torch::Tensor& map) { return map.flatten(2).transpose(1, 2); }

torch::Tensor forward_cells(Mlp& head, const torch::Tensor& map) {
  // Of a map in channels-last memory these rows are a view.
  return head.forward(map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)})).view({map.size(0), map.size(2) * map.size(3), -1});
}

torch::Tensor unit_cells(const torch::Tensor& x) { return unit_rows(x.flatten(0, 1)).view_as(x); }

torch::Tensor crop_boxes(const std::vector<data::Geometry>& views) {
  const auto count = static_cast<std::int64_t>(views.size());
  torch::Tensor boxes = torch::empty({count, 4}, torch::kFloat64);
  auto at = boxes.accessor<double, 2>();
  for (std::int64_t i = 0; i < count; ++i) {
    const data::Geometry& view = views[static_cast<std::size_t>(i)];
    const auto width = static_cast<double>(view.source_width), height = static_cast<double>(view.source_height);
    const double left = static_cast<double>(view.box.x) / width, right = static_cast<double>(view.box.x + view.box.width) / width;
    at[i][0] = view.flip ? right : left;
    at[i][1] = static_cast<double>(view.box.y) / height;
    at[i][2] = view.flip ? left : right;
    at[i][3] = static_cast<double>(view.box.y + view.box.height) / height;
  }
  return boxes;
}

namespace {

/// The cells of one view: the centres of columns (N x w) and rows (N x h), and a cell's diagonal (N).
struct Grid {
  torch::Tensor x, y, diagonal;
};

Grid grid_of(const torch::Tensor& boxes, std::int64_t h, std::int64_t w) {
  const torch::Tensor start_x = boxes.slice(1, 0, 1), start_y = boxes.slice(1, 1, 2);
  // With their sign: in a mirrored view columns run from right to left.
  const torch::Tensor width = (boxes.slice(1, 2, 3) - start_x) / w, height = (boxes.slice(1, 3, 4) - start_y) / h;
  const auto centres = [&](std::int64_t count) { return torch::arange(count, boxes.options()) + 0.5; };
  return {start_x + width * centres(w), start_y + height * centres(h), torch::hypot(width, height).squeeze(1)};
}

/// N x P from columns (N x w) or rows (N x h).
torch::Tensor over_columns(const torch::Tensor& x, std::int64_t h) { return x.repeat({1, h}); }
torch::Tensor over_rows(const torch::Tensor& y, std::int64_t w) { return y.repeat_interleave(w, 1); }

}  // namespace

torch::Tensor cell_distances(const torch::Tensor& a, const torch::Tensor& b, std::int64_t h, std::int64_t w) {
  const Grid first = grid_of(a, h, w), second = grid_of(b, h, w);
  const torch::Tensor dx = over_columns(first.x, h).unsqueeze(2) - over_columns(second.x, h).unsqueeze(1);
  const torch::Tensor dy = over_rows(first.y, w).unsqueeze(2) - over_rows(second.y, w).unsqueeze(1);
  return torch::hypot(dx, dy) / torch::maximum(first.diagonal, second.diagonal).view({-1, 1, 1});
}

}  // namespace selfsight::nn
