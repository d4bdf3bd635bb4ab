#include "data/tar_index.h"

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/targets.h"
#include "core/threads.h"
#include "data/shard_index.h"
#include "data/shard_names.h"
#include "data/source.h"

#include <nlohmann/json.hpp>

#include <mutex>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;

constexpr std::size_t most_listed = 100;

/// The shards of one split, as they were found.
struct SplitShards {
  std::vector<fs::path> paths;
  std::vector<WebShard> shards;
  fs::path folder, index;
};

/// The nearest folder that holds all of them.
fs::path common_folder(const std::vector<fs::path>& paths) {
  fs::path folder = paths.front().parent_path();
  for (const fs::path& path : paths)
    while (folder.has_relative_path() && core::relative_or_absolute(path, folder).is_absolute()) folder = folder.parent_path();
  return folder;
}

/// Class names of all labels seen, and their numbers.
class Classes {
 public:
  /// `origin` is what messages call the sample.
  void see(const WebSample& sample, const std::string& origin) {
    if (first_.empty()) kind_ = sample.label.index(), first_ = origin;
    if (sample.label.index() != kind_)
      fail(Exit::bad_data, "{} has {}, but {} has {}: all must agree", first_, kinds[kind_], origin, kinds[sample.label.index()]);
    if (const auto* number = std::get_if<std::int64_t>(&sample.label)) most_ = std::max(most_, *number);
    if (const auto* name = std::get_if<std::string>(&sample.label)) numbers_.emplace(*name, 0);
  }
  /// Once all are seen.
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (auto& [name, number] : numbers_) {
      number = static_cast<std::int64_t>(out.size());
      out.push_back(name);
    }
    for (std::int64_t i = 0; i <= most_; ++i) out.push_back(std::to_string(i));
    return out;
  }
  [[nodiscard]] std::int64_t number(const WebSample& sample) const {
    if (const auto* number = std::get_if<std::int64_t>(&sample.label)) return *number;
    const auto* name = std::get_if<std::string>(&sample.label);
    return name == nullptr ? -1 : numbers_.at(*name);
  }

 private:
  static constexpr const char* kinds[] = {"no label", "a class number", "a class name"};
  std::size_t kind_ = 0;
  std::string first_;
  std::int64_t most_ = -1;
  std::map<std::string, std::int64_t> numbers_;
};

void read_shards(const std::vector<SplitShards*>& parts, const WebMembers& members) {
  std::vector<std::pair<const fs::path*, WebShard*>> jobs;
  for (SplitShards* part : parts) {
    part->shards.resize(part->paths.size());
    for (std::size_t i = 0; i < part->paths.size(); ++i) jobs.emplace_back(&part->paths[i], &part->shards[i]);
  }
  core::Progress progress("index", static_cast<std::int64_t>(jobs.size()), "shards");
  std::mutex mutex;
  core::parallel_for(static_cast<std::int64_t>(jobs.size()), 1, core::default_threads(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto& [path, shard] = jobs[static_cast<std::size_t>(i)];
      *shard = read_web_shard(*path, members);
      const std::lock_guard lock(mutex);
      progress.advance(1);
    }
  });
  progress.finish();
}

/// Names of members may hold any bytes, JSON may not: what is no UTF-8 in `text` is replaced.
std::string printable(const std::string& text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

/// Before the work: a manifest could not name it.
void need_utf8(const fs::path& path) {
  if (path.string() != printable(path.string())) fail(Exit::bad_data, "{}: a path that is not UTF-8", path.string());
}

/// What a part leaves out, told in the manifest and on stderr.
void tell_left_out(const std::string& name, const SplitShards& part, manifest::Split& split) {
  std::vector<std::string> without;
  PassedOver passed_over;
  for (std::size_t i = 0; i < part.shards.size(); ++i) {
    const std::string shard = core::relative_or_absolute(part.paths[i], part.folder).string();
    if (part.shards[i].samples.empty()) core::log_warning("{}: holds no samples", part.paths[i].string());
    for (const std::string& stem : part.shards[i].without_image) without.push_back(shard + "/" + printable(stem));
    for (const auto& [ending, count] : part.shards[i].passed_over) passed_over[printable(ending)] += count;
  }
  if (!passed_over.empty()) {
    split.extra["passed_over"] = passed_over;
    core::log_info("{}: members that are neither image nor label: {}", name, text_of(passed_over));
  }
  if (without.empty()) return;
  const std::size_t listed = std::min(without.size(), most_listed);
  core::log_warning("{}: {} without an image were passed over: {}{}", name, without.size(), without.front(),
                    without.size() > 1 ? " ..." : "");
  split.extra["without_image"] = {{"count", without.size()},
                                  {"first", std::vector(without.begin(), without.begin() + static_cast<std::ptrdiff_t>(listed))}};
}

manifest::Split write_part(const std::string& name, const SplitShards& part, const Classes& classes,
                           const std::vector<std::string>& class_names) {
  ShardIndex index;
  index.labels = class_names;
  for (std::size_t i = 0; i < part.shards.size(); ++i) {
    const std::string file = core::relative_or_absolute(part.paths[i], part.folder).generic_string();
    for (const WebSample& sample : part.shards[i].samples)
      index.add(i, {sample.offset, sample.size, classes.number(sample), sample.header, file + "/" + sample.name});
    index.files.push_back({file, part.shards[i].bytes, part.shards[i].digest});
  }
  manifest::Split split;
  split.format = "shards";
  split.root = part.folder;
  split.count = index.size();
  split.labels = class_names;
  split.fields = {"image"};
  if (!class_names.empty()) split.fields.emplace_back("label");
  split.digest = index.write(part.index);
  split.files["index"] = {part.index, split.digest};
  tell_left_out(name, part, split);
  return split;
}

}  // namespace

void TarIndexOptions::describe(core::Options& options) {
  options.add("image", &members.image, "ending of the member that is the image (jpg, seg.png); auto: the one that has an image's")
      .metavar("ENDING");
  options.add("label", &members.label,
              "where labels are: cls (a number), json:KEY (a number or name), none; auto: cls where there are such");
  options.add("list", &list, "a file that names shards, one or a pattern a line").metavar("FILE");
}

manifest::Dataset index_tars(const std::vector<std::string>& arguments, const TarIndexOptions& options, const fs::path& manifest,
                             bool force) {
  const std::string& label = options.members.label;
  if (label != "auto" && label != "cls" && label != "none" && (!label.starts_with("json:") || label == "json:"))
    fail(Exit::usage, "--label: '{}' is not auto, cls, none or json:KEY", label);
  std::map<std::string, SplitShards> parts;
  std::vector<fs::path> all;
  std::vector<SplitShards*> to_read;
  for (auto& [name, paths] : shards_by_split(options.list, arguments)) {
    SplitShards& part = parts[name];
    part.folder = common_folder(paths);
    const std::string file = name + shard_index_ending;
    part.index = manifest.empty() ? part.folder / file
                                  : core::absolute_path(manifest).parent_path() / fmt::format("{}.{}", manifest.stem().string(), file);
    core::refuse_foreign(part.index, force, "an index of shards", is_shard_index);
    need_utf8(part.index);
    for (const fs::path& path : paths) {
      need_utf8(path);
      all.push_back(path);
    }
    part.paths = std::move(paths);
    to_read.push_back(&part);
  }
  read_shards(to_read, options.members);
  Classes classes;
  for (const auto& [name, part] : parts) {
    std::size_t samples = 0;
    for (std::size_t i = 0; i < part.shards.size(); samples += part.shards[i++].samples.size())
      for (const WebSample& sample : part.shards[i].samples) classes.see(sample, part.paths[i].string() + ": " + sample.name);
    if (samples == 0) fail(Exit::bad_data, "{}: split '{}' has no images", part.folder.string(), name);
  }
  manifest::Dataset dataset;
  dataset.name = common_folder(all).filename().string();
  const std::vector<std::string> class_names = classes.names();
  for (const auto& [name, part] : parts) dataset.splits[name] = write_part(name, part, classes, class_names);
  return dataset;
}

}  // namespace selfsight::data
