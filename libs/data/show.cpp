#include "data/show.h"

#include "core/rng.h"
#include "data/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace selfsight::data {

Image sample_sheet(const manifest::Split& split, std::int64_t count, std::uint64_t seed) {
  const std::shared_ptr<const Source> source = open_split(split);
  std::vector<std::int64_t> order(static_cast<std::size_t>(source->size()));
  std::iota(order.begin(), order.end(), 0);
  core::Rng rng(seed, core::Stream::split);
  rng.shuffle(order);
  const auto image = [&](std::int64_t index) { return decode(source->read(index), source->channels(), source->name(index)); };
  std::vector<std::vector<Image>> rows;
  SheetOptions options;
  const auto classes = static_cast<std::int64_t>(split.labels.size());
  if (classes > 1 && classes <= 20) {
    const std::int64_t each = std::max<std::int64_t>(count / classes, 1);
    rows.resize(static_cast<std::size_t>(classes));
    for (const std::int64_t index : order) {
      const std::int64_t label = source->label(index);
      if (label < 0 || label >= classes || static_cast<std::int64_t>(rows[static_cast<std::size_t>(label)].size()) == each) continue;
      rows[static_cast<std::size_t>(label)].push_back(image(index));
    }
    options.row_captions = split.labels;
  } else {
    order.resize(static_cast<std::size_t>(std::min(count, source->size())));
    const auto side = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(order.size()))));
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i % side == 0) rows.emplace_back();
      rows.back().push_back(image(order[i]));
    }
  }
  return contact_sheet(rows, options);
}

}  // namespace selfsight::data
