#include "train/views_picture.h"

#include "data/contact_sheet.h"

#include <algorithm>

namespace selfsight::train {

void write_views(const data::Batch& batch, const core::fs::path& file) {
  constexpr std::int64_t most = 12;
  std::vector<std::vector<data::Image>> rows;
  for (const auto& view : batch.views) {
    auto& row = rows.emplace_back();
    for (std::int64_t i = 0; i < std::min(batch.size(), most); ++i) {
      data::Image image(view.height, view.width, view.channels);
      const auto bytes = static_cast<std::ptrdiff_t>(image.pixels.size());
      std::copy_n(view.pixels.begin() + i * bytes, bytes, image.pixels.begin());
      row.push_back(std::move(image));
    }
  }
  core::write_atomically(file, data::encode_png(data::contact_sheet(rows)));
}

}  // namespace selfsight::train
