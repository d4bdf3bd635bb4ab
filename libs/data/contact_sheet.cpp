#include "data/contact_sheet.h"

#include "core/error.h"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cstring>

namespace selfsight::data {
namespace {

constexpr int caption_font = cv::FONT_HERSHEY_SIMPLEX;
constexpr double caption_scale = 0.4;
constexpr std::int64_t caption_height = 18;

std::int64_t caption_width(const std::string& text) {
  int baseline = 0;
  return cv::getTextSize(text, caption_font, caption_scale, 1, &baseline).width + 8;
}

void put_caption(Image& sheet, const std::string& text, std::int64_t x, std::int64_t y, std::uint8_t background) {
  cv::Mat view(static_cast<int>(sheet.height), static_cast<int>(sheet.width), CV_8UC(static_cast<int>(sheet.channels)),
               sheet.pixels.data());
  const double ink = background > 127 ? 40 : 220;
  cv::putText(view, text, cv::Point(static_cast<int>(x), static_cast<int>(y)), caption_font, caption_scale, cv::Scalar(ink, ink, ink), 1,
              cv::LINE_AA);
}

void paste(const Image& image, std::int64_t x, std::int64_t y, Image& sheet) {
  for (std::int64_t r = 0; r < image.height; ++r) {
    const std::uint8_t* from = image.row(r);
    std::uint8_t* to = sheet.row(y + r) + x * sheet.channels;
    if (image.channels == sheet.channels) {
      std::memcpy(to, from, static_cast<std::size_t>(image.width * image.channels));
      continue;
    }
    for (std::int64_t c = 0; c < image.width; ++c) std::fill_n(to + 3 * c, 3, from[c]);
  }
}

}  // namespace

Image enlarge(const Image& image, std::int64_t factor) {
  if (factor == 1) return image;
  Image out(image.height * factor, image.width * factor, image.channels);
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::uint8_t* first = out.row(y * factor);
    for (std::int64_t x = 0; x < out.width; ++x) {
      std::memcpy(first + x * image.channels, image.row(y) + x / factor * image.channels, static_cast<std::size_t>(image.channels));
    }
    for (std::int64_t copy = 1; copy < factor; ++copy) {
      std::memcpy(out.row(y * factor + copy), first, static_cast<std::size_t>(out.width * out.channels));
    }
  }
  return out;
}

Image contact_sheet(const std::vector<std::vector<Image>>& rows, const SheetOptions& options) {
  std::int64_t longest = 0, channels = 1;
  std::vector<std::int64_t> widths, heights(rows.size(), 0);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    widths.resize(std::max(widths.size(), rows[r].size()), 0);
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const Image& image = rows[r][c];
      if (image.empty()) continue;
      longest = std::max({longest, image.height, image.width});
      channels = std::max(channels, image.channels);
      heights[r] = std::max(heights[r], image.height);
      widths[c] = std::max(widths[c], image.width);
    }
  }
  if (longest == 0) core::fail(core::Exit::bad_data, "a contact sheet needs at least one image");
  const std::int64_t scale = options.scale > 0 ? options.scale : std::max<std::int64_t>(1, (64 + longest - 1) / longest);

  const std::int64_t top = options.gap + (options.column_captions.empty() ? 0 : caption_height);
  std::int64_t left = options.gap;
  for (const std::string& caption : options.row_captions) left = std::max(left, options.gap + caption_width(caption));
  for (std::size_t c = 0; c < std::min(widths.size(), options.column_captions.size()); ++c) {
    widths[c] = std::max(widths[c], (caption_width(options.column_captions[c]) + scale - 1) / scale);
  }
  const auto starts = [&](const std::vector<std::int64_t>& sizes, std::int64_t first) {
    std::vector<std::int64_t> out = {first};
    for (const std::int64_t size : sizes) out.push_back(out.back() + size * scale + options.gap);
    return out;
  };
  const std::vector<std::int64_t> xs = starts(widths, left), ys = starts(heights, top);
  if (xs.back() > max_pixels / ys.back()) {
    core::fail(core::Exit::bad_data, "a contact sheet of {} x {} pixels is too large: take fewer or smaller images", xs.back(), ys.back());
  }

  Image sheet(ys.back(), xs.back(), channels);
  std::fill(sheet.pixels.begin(), sheet.pixels.end(), options.background);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      if (rows[r][c].empty()) continue;
      const Image image = enlarge(rows[r][c], scale);
      paste(image, xs[c] + (widths[c] * scale - image.width) / 2, ys[r] + (heights[r] * scale - image.height) / 2, sheet);
    }
  }
  for (std::size_t c = 0; c < std::min(widths.size(), options.column_captions.size()); ++c) {
    put_caption(sheet, options.column_captions[c], xs[c], options.gap + 12, options.background);
  }
  for (std::size_t r = 0; r < std::min(rows.size(), options.row_captions.size()); ++r) {
    put_caption(sheet, options.row_captions[r], options.gap, ys[r] + heights[r] * scale / 2 + 4, options.background);
  }
  return sheet;
}

}  // namespace selfsight::data
