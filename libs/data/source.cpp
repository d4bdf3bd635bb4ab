#include "data/source.h"

#include "core/error.h"
#include "core/files.h"
#include "core/registry.h"
#include "data/source_video.h"
#include "data/subset.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace selfsight::data {
namespace {

using core::Exit;
using core::fail;

/// Some samples of another source.
class Subset final : public Source {
 public:
  Subset(std::shared_ptr<const Source> whole, std::vector<std::int64_t> indices) : whole_(std::move(whole)), indices_(std::move(indices)) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(indices_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return whole_->label(at(index)); }
  [[nodiscard]] std::string name(std::int64_t index) const override { return whole_->name(at(index)); }
  [[nodiscard]] Stored read(std::int64_t index) const override { return whole_->read(at(index)); }
  [[nodiscard]] std::int64_t channels() const override { return whole_->channels(); }
  [[nodiscard]] std::int64_t shard(std::int64_t index) const override { return whole_->shard(at(index)); }
  [[nodiscard]] bool has_videos() const override { return whole_->has_videos(); }
  [[nodiscard]] std::unique_ptr<Video> video(std::int64_t index) const override { return whole_->video(at(index)); }

 private:
  [[nodiscard]] std::int64_t at(std::int64_t index) const { return indices_.at(static_cast<std::size_t>(index)); }

  std::shared_ptr<const Source> whole_;
  std::vector<std::int64_t> indices_;
};

std::vector<std::int64_t> of_all(const Source& source, std::int64_t (Source::*number)(std::int64_t) const) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(source.size()));
  for (std::int64_t i = 0; i < source.size(); ++i) numbers[static_cast<std::size_t>(i)] = (source.*number)(i);
  return numbers;
}

}  // namespace

std::vector<std::int64_t> read_subset(const std::filesystem::path& path, std::int64_t size) {
  const auto document = nlohmann::json::parse(core::read_text(path), nullptr, false);
  if (!document.is_array()) fail(Exit::bad_data, "{}: expected a JSON array of sample numbers", path.string());
  std::vector<std::int64_t> indices;
  indices.reserve(document.size());
  for (const auto& item : document) {
    if (!item.is_number_integer()) fail(Exit::bad_data, "{}: entry {} is no whole number", path.string(), indices.size());
    const auto index = item.get<std::int64_t>();
    if (index < 0 || index >= size) fail(Exit::bad_data, "{}: sample {} is outside the source's 0 to {}", path.string(), index, size - 1);
    indices.push_back(index);
  }
  return indices;
}

std::shared_ptr<const Source> part_of(std::shared_ptr<const Source> whole, std::vector<std::int64_t> indices) {
  return std::make_shared<Subset>(std::move(whole), std::move(indices));
}

std::shared_ptr<const Source> open_split(const manifest::Split& split) {
  const auto& registry = core::Registry<SourceFormat>::instance();
  std::shared_ptr<const Source> source = registry.find(split.format, "source format").open(split);
  if (split.subset) source = part_of(source, listed_samples(*split.subset, source->size()));
  if (source->size() != split.count) {
    fail(Exit::bad_data, "{}: holds {} samples, but its manifest says {}: describe it again with ssl-data", split.root.string(),
         source->size(), split.count);
  }
  for (std::int64_t i = 0; i < source->size(); ++i) {
    const std::int64_t label = source->label(i);
    if (label < -1 || (!split.labels.empty() && label >= static_cast<std::int64_t>(split.labels.size()))) {
      fail(Exit::bad_data, "{}: sample '{}' has label {}, but its manifest names {} classes: describe it again with ssl-data",
           split.root.string(), source->name(i), label, split.labels.size());
    }
  }
  return source;
}

DescribeOptions::DescribeOptions(core::Options& options, const std::string& format) {
  if (format == "video") options.add("frame-rate", &frame_rate, "frames a second of folders of frames").range(0.001, 1000);
}

manifest::Dataset describe(const std::string& format, const std::filesystem::path& path, const DescribeOptions& options) {
  const auto& formats = core::Registry<SourceFormat>::instance();
  const auto& sets = core::Registry<NamedSet>::instance();
  if (sets.has(format)) return sets.find(format, "set").describe(path);
  if (path.empty()) fail(Exit::usage, "{}: give the path of the data", format);
  if (format == "video") return describe_videos(path, options.frame_rate);
  if (format != "auto") return formats.find(format, "format").describe(path);
  if (!std::filesystem::exists(path)) fail(Exit::no_input, "{}: no such file or folder", path.string());
  std::vector<std::string> fitting;
  for (const std::string& name : formats.names()) {
    if (formats.find(name, "format").recognises(path)) fitting.push_back(name);
  }
  if (fitting.empty())
    fail(Exit::bad_data, "{}: looks like no known format; name one of {}", path.string(), fmt::join(formats.names(), ", "));
  if (fitting.size() > 1) fail(Exit::usage, "{}: may be {}: name the format instead of auto", path.string(), fmt::join(fitting, " or "));
  return formats.find(fitting.front(), "format").describe(path);
}

std::vector<std::pair<std::string, std::string>> format_summaries() {
  std::vector<std::pair<std::string, std::string>> out = {{"auto", "whichever of these fits what lies at PATH"}};
  const auto& formats = core::Registry<SourceFormat>::instance();
  for (const std::string& name : formats.names()) out.emplace_back(name, formats.find(name, "format").summary);
  const auto& sets = core::Registry<NamedSet>::instance();
  for (const std::string& name : sets.names()) out.emplace_back(name, sets.find(name, "set").summary);
  return out;
}

bool is_split_name(const std::string& name) {
  const auto odd = [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '/' || c == '\\'; };
  return !name.empty() && name.size() <= 100 && std::none_of(name.begin(), name.end(), odd) && !name.starts_with('.') &&
         !name.starts_with('-') && !name.starts_with(' ') && !name.ends_with(' ');
}

std::vector<std::int64_t> labels_of(const Source& source) { return of_all(source, &Source::label); }
std::vector<std::int64_t> shards_of(const Source& source) { return of_all(source, &Source::shard); }

}  // namespace selfsight::data
