#include "train/views_picture.h"

#include "data/contact_sheet.h"

#include <algorithm>

namespace selfsight::train {

void write_views(const std::vector<torch::Tensor>& views, const Normalisation& normalisation, const core::fs::path& file) {
  constexpr std::int64_t most = 12;
  const auto per_channel = [](const std::vector<double>& values) { return torch::tensor(values, torch::kFloat64).view({1, -1, 1, 1}); };
  std::vector<std::vector<data::Image>> rows;
  for (const auto& view : views) {
    auto& row = rows.emplace_back();
    torch::Tensor x = view.narrow(0, 0, std::min(view.size(0), most)).cpu().to(torch::kFloat64);
    if (x.dim() == 5) x = x.select(2, 0);
    // Back to the whole numbers that they were.
    x = ((x * per_channel(normalisation.stddev) + per_channel(normalisation.mean)) * 255.0).round().clamp(0, 255);
    x = x.permute({0, 2, 3, 1}).to(torch::kUInt8).contiguous();
    for (std::int64_t i = 0; i < x.size(0); ++i) {
      data::Image image(x.size(1), x.size(2), x.size(3));
      std::copy_n(x[i].const_data_ptr<std::uint8_t>(), image.pixels.size(), image.pixels.begin());
      row.push_back(std::move(image));
    }
  }
  core::write_atomically(file, data::encode_png(data::contact_sheet(rows)));
}

}  // namespace selfsight::train
