#include "data/show.h"

#include "core/error.h"
#include "core/log.h"
#include "core/rng.h"
#include "data/contact_sheet.h"
#include "data/view_maker.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <optional>

namespace selfsight::data {

namespace {

/// Where the first chunk after IHDR begins: 8 bytes of signature, and length, name, 13 bytes and checksum of IHDR.
constexpr std::size_t after_header = 8 + 4 + 4 + 13 + 4;

constexpr std::int64_t most_broken = 20;  ///< images that a sheet does without

std::string mark() {
  const std::string body = std::string("tEXtSoftware") + '\0' + "selfsight";
  const auto big_endian = [](std::uint64_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
    return out;
  };
  const auto checksum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(body.size() - 4) + body + big_endian(checksum);
}

}  // namespace

std::vector<std::byte> encode_sheet(const Image& sheet) {
  std::vector<std::byte> png = encode_png(sheet);
  const std::string text = mark();
  const auto bytes = std::as_bytes(std::span(text));
  png.insert(png.begin() + after_header, bytes.begin(), bytes.end());
  return png;
}

bool is_sheet(const core::fs::path& file) {
  const std::string text = mark();
  std::string start(after_header + text.size(), '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(start.data(), static_cast<std::streamsize>(start.size()));
  return stream && start.starts_with("\x89PNG") && start.ends_with(text);
}

void SampleOptions::describe(core::Options& options) {
  options.add("split", &split, "the split to show");
  options.add("count", &count, "images on the sheet").range(1, 10000);
  options.add("seed", &seed, "which images");
}

Image sample_sheet(const manifest::Dataset& dataset, const SampleOptions& options) {
  const manifest::Split& split = dataset.split(options.split);
  const std::shared_ptr<const Source> source = open_split(split);
  std::vector<std::int64_t> order(static_cast<std::size_t>(source->size()));
  std::iota(order.begin(), order.end(), 0);
  core::Rng rng(options.seed, core::Stream::split);
  rng.shuffle(order);
  // Some that are broken are left out: a sheet of the others shows more than none.
  std::int64_t broken = 0;
  const auto image = [&](std::int64_t index) -> std::optional<Image> {
    try {
      return decode(source->read(index), source->channels(), source->name(index));
    } catch (const core::Error& error) {
      if (!is_of_sample(error) || ++broken > most_broken || broken == source->size()) throw;
      core::log_warning("left out: {}", error.what());
      return std::nullopt;
    }
  };
  std::vector<std::vector<Image>> rows;
  SheetOptions sheet;
  const auto classes = static_cast<std::int64_t>(split.labels.size());
  if (classes > 1 && classes <= 20) {
    const std::int64_t each = std::max<std::int64_t>(options.count / classes, 1);
    rows.resize(static_cast<std::size_t>(classes));
    for (const std::int64_t index : order) {
      const std::int64_t label = source->label(index);
      if (label < 0 || label >= classes || static_cast<std::int64_t>(rows[static_cast<std::size_t>(label)].size()) == each) continue;
      if (auto shown = image(index)) rows[static_cast<std::size_t>(label)].push_back(std::move(*shown));
    }
    sheet.row_captions = split.labels;
  } else {
    const std::int64_t count = std::min(options.count, source->size());
    const auto side = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
    std::int64_t done = 0;
    for (auto index = order.begin(); index != order.end() && done < count; ++index) {
      auto shown = image(*index);
      if (!shown) continue;
      if (static_cast<std::size_t>(done++) % side == 0) rows.emplace_back();
      rows.back().push_back(std::move(*shown));
    }
  }
  return contact_sheet(rows, sheet);
}

}  // namespace selfsight::data
