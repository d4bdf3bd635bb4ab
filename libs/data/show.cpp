#include "data/show.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/rng.h"
#include "data/contact_sheet.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace selfsight::data {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

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

manifest::Split write_subset(const manifest::Split& whole, const std::vector<std::int64_t>& samples, const fs::path& manifest,
                             const std::string& name) {
  constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
  if (samples.empty()) fail(Exit::bad_data, "split '{}' would have no samples", name);
  std::vector<std::int64_t> numbers = samples;
  if (whole.subset) {
    const std::vector<std::int64_t> outer = read_subset(whole.subset->path, any);
    for (std::int64_t& number : numbers) number = outer.at(static_cast<std::size_t>(number));
  }
  const fs::path file = core::safe_entry(fmt::format("{}.{}.index.json", manifest.stem().string(), name), manifest);
  const fs::path path = fs::absolute(manifest).parent_path() / file;
  if (fs::exists(path)) {
    try {
      read_subset(path, any);
    } catch (const core::Error&) {
      fail(Exit::cannot_create, "{}: exists and is no list of sample numbers: choose another -o", path.string());
    }
  }
  const std::string text = nlohmann::json(numbers).dump() + "\n";
  core::write_atomically(path, text);
  manifest::Split split = whole;
  split.count = static_cast<std::int64_t>(numbers.size());
  split.subset = manifest::File{path, core::digest_of(text)};
  core::Digest both;
  split.digest = both.add(whole.digest).add(split.subset->digest).finish();
  split.extra.erase("checked");
  return split;
}

}  // namespace selfsight::data
