#include "data/source_video.h"

#include "core/digest.h"
#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "core/registry.h"
#include "core/threads.h"
#include "data/class_tree.h"
#include "data/listing.h"
#include "data/video_index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <set>

namespace selfsight::data {
namespace {

namespace fs = std::filesystem;
using core::Exit;
using core::fail;
using manifest::Json;

constexpr std::int64_t most_listed = 1000;  // videos whose facts a manifest has one by one

bool is_video_name(const std::string& path) {
  static const std::set<std::string> known = {"mp4",  "m4v", "mov", "avi", "mkv", "webm",  "mpg",  "mpeg", "ts",
                                              "m2ts", "wmv", "flv", "ogv", "3gp", "mjpeg", "h264", "y4m",  "gif"};
  return known.contains(file_ending(path)) && !fs::path(path).filename().string().starts_with('.');
}

Rational as_rational(double rate) {
  const auto thousandths = std::max<std::int64_t>(std::llround(rate * 1000), 1), divisor = std::gcd(thousandths, std::int64_t{1000});
  return {thousandths / divisor, 1000 / divisor};
}

/// Videos below a folder: the listing with every folder of frames (it holds images and no videos) as one entry in place of its files.
struct Videos {
  std::vector<TreeEntry> listing;
  std::set<std::string> frame_folders;
  [[nodiscard]] bool has(const std::string& path) const { return frame_folders.contains(path) || is_video_name(path); }
};

Videos find_videos(const fs::path& root) {
  // A file, or the frames of one video, is a set of its own, whose only sample has no path below it.
  if (fs::is_regular_file(root)) return {{{"", false}}, {""}};
  const std::vector<TreeEntry> all = list_folder(root);
  const auto parent = [](const TreeEntry& entry) { return fs::path(entry.path).parent_path().generic_string(); };
  std::set<std::string> with_videos;
  for (const TreeEntry& entry : all)
    if (!entry.folder && is_video_name(entry.path)) with_videos.insert(parent(entry));
  Videos found;
  for (const TreeEntry& entry : all)
    if (!entry.folder && is_image_name(entry.path) && !with_videos.contains(parent(entry))) found.frame_folders.insert(parent(entry));
  if (found.frame_folders.contains("")) return {{{"", false}}, {""}};
  for (const TreeEntry& entry : all) {
    const bool frames = found.frame_folders.contains(entry.path);
    if (frames || !found.frame_folders.contains(parent(entry))) found.listing.push_back({entry.path, entry.folder && !frames});
  }
  return found;
}

class VideoSource final : public Source {
 public:
  VideoSource(fs::path root, std::vector<std::string> paths, std::vector<std::int64_t> labels, const Rational& frame_rate)
      : root_(std::move(root)),
        name_(root_.filename().string()),
        paths_(std::move(paths)),
        labels_(std::move(labels)),
        frame_rate_(frame_rate),
        indices_(paths_.size()) {}
  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(paths_.size()); }
  [[nodiscard]] std::int64_t label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] std::string name(std::int64_t index) const override {
    const std::string& path = paths_[static_cast<std::size_t>(index)];
    return path.empty() ? name_ : name_ + "/" + path;
  }
  [[nodiscard]] bool has_videos() const override { return true; }
  [[nodiscard]] Stored read(std::int64_t index) const override {
    const std::unique_ptr<Video> whole = video(index);
    const std::int64_t middle[] = {(whole->frames() - 1) / 2};
    const Image image = whole->images(middle).front();
    Stored stored;
    const auto pixels = std::as_bytes(std::span(image.pixels));
    stored.owned.assign(pixels.begin(), pixels.end());
    stored.bytes = stored.owned;
    stored.height = image.height, stored.width = image.width, stored.channels = image.channels;
    return stored;
  }
  [[nodiscard]] std::unique_ptr<Video> video(std::int64_t index) const override {
    const std::string& path = paths_[static_cast<std::size_t>(index)];
    const fs::path file = path.empty() ? root_ : root_ / path;
    if (std::error_code ignored; fs::is_directory(file, ignored)) return open_frames(file, frame_rate_);
    {
      const std::lock_guard lock(mutex_);
      if (const auto& known = indices_[static_cast<std::size_t>(index)]) return open_video(file, known);
    }
    std::shared_ptr<const VideoIndex> found = index_video(file);
    const std::lock_guard lock(mutex_);
    // Looking through a file again costs less than memory without bound.
    if (held_ + found->frames() <= max_video_frames && !indices_[static_cast<std::size_t>(index)]) {
      held_ += found->frames();
      indices_[static_cast<std::size_t>(index)] = found;
    }
    return open_video(file, std::move(found));
  }

 private:
  fs::path root_;
  std::string name_;
  std::vector<std::string> paths_;
  std::vector<std::int64_t> labels_;
  Rational frame_rate_;
  mutable std::mutex mutex_;
  mutable std::vector<std::shared_ptr<const VideoIndex>> indices_;  ///< of the videos that were opened, as far as there is room
  mutable std::int64_t held_ = 0;                                   ///< frames in them
};

std::unique_ptr<Source> open_videos(const manifest::Split& split) {
  if (std::error_code ignored; !fs::exists(split.root, ignored)) fail(Exit::no_input, "{}: no such file or folder", split.root.string());
  const Videos found = find_videos(split.root);
  std::vector<std::string> paths;
  for (const TreeEntry& entry : found.listing)
    if (!entry.folder && found.has(entry.path)) paths.push_back(entry.path);
  std::sort(paths.begin(), paths.end());
  std::vector<std::int64_t> labels = labels_by_class(paths, split.labels, split.root.string());
  const double frame_rate = split.extra.value("frame-rate", DescribeOptions().frame_rate);
  return std::make_unique<VideoSource>(split.root, std::move(paths), std::move(labels), as_rational(frame_rate));
}

/// What one video is like, or why that cannot be told.
struct Look {
  VideoFacts facts;
  std::string error;
};

std::vector<Look> look_through(const Source& source) {
  std::vector<Look> looks(static_cast<std::size_t>(source.size()));
  core::parallel_for(source.size(), 1, core::default_threads(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Look& look = looks[static_cast<std::size_t>(i)];
      try {
        look.facts = source.video(i)->facts();
      } catch (const core::Error& error) {
        if (error.exit() == Exit::internal) throw;
        look.error = error.what();
      }
    }
  });
  return looks;
}

/// Least and largest.
struct Bounds {
  std::int64_t least = std::numeric_limits<std::int64_t>::max(), largest = 0;
  void add(std::int64_t value) { least = std::min(least, value), largest = std::max(largest, value); }
  [[nodiscard]] Json json() const { return Json::array({least, largest}); }
};

void add_facts(manifest::Split& split) {
  const std::unique_ptr<Source> source = open_videos(split);
  const std::vector<Look> looks = look_through(*source);
  for (const Look& look : looks)
    if (!look.error.empty()) core::log_warning("{}", look.error);
  Bounds frames, heights, widths;
  std::map<std::string, std::int64_t> codecs;
  double seconds = 0;
  std::int64_t bad = 0;
  for (const Look& look : looks) {
    bad += look.error.empty() ? 0 : 1;
    if (!look.error.empty()) continue;
    frames.add(look.facts.frames), heights.add(look.facts.height), widths.add(look.facts.width);
    seconds += look.facts.seconds;
    ++codecs[look.facts.codec];
  }
  Json& summary = split.extra["video"] = {{"bad", bad}, {"seconds", seconds}, {"codecs", codecs}};
  if (!codecs.empty()) summary.update({{"frames", frames.json()}, {"height", heights.json()}, {"width", widths.json()}});
  if (heights.least == heights.largest && widths.least == widths.largest) split.image = {heights.least, widths.least, 3};
  if (source->size() > most_listed) return;
  for (std::int64_t i = 0; i < source->size(); ++i) {
    const Look& look = looks[static_cast<std::size_t>(i)];
    Json row = look.error.empty() ? look.facts.json() : Json{{"error", look.error}};
    row["name"] = source->name(i);
    split.extra["videos"].push_back(std::move(row));
  }
}

// Names and sizes: enough to notice that something came, went or changed its length.
std::string listed_digest(const fs::path& root, const std::vector<std::string>& paths) {
  core::Digest listed;
  for (const std::string& path : paths) {
    const fs::path file = path.empty() ? root : root / path;
    std::vector<std::pair<std::string, std::uintmax_t>> sizes;
    std::error_code error;
    if (fs::is_directory(file, error)) {
      for (const fs::directory_entry& entry : fs::directory_iterator(file, error))
        if (is_image_name(entry.path().filename().string())) sizes.emplace_back(entry.path().filename().string(), entry.file_size(error));
    } else {
      sizes.emplace_back("", fs::file_size(file, error));
    }
    if (error) fail(Exit::no_input, "{}: {}", file.string(), error.message());
    std::sort(sizes.begin(), sizes.end());
    for (const auto& [name, size] : sizes) listed.add(fmt::format("{}\t{}\t{}\n", path, name, size));
  }
  return listed.finish();
}

manifest::Dataset describe_at_usual_rate(const fs::path& path) { return describe_videos(path, DescribeOptions().frame_rate); }

bool recognises(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return is_video_name(path.string());
  int looked = 0;
  for (fs::recursive_directory_iterator at(path, fs::directory_options::skip_permission_denied, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    if (++looked > 60 || at.depth() > 3) return false;
    if (is_video_name(at->path().string())) return true;
  }
  return false;
}

const bool registered = core::Registry<SourceFormat>::instance().add(
    "video", {"videos (files, or folders of frames): split/class/video, class/video, split/video, side by side, or one", open_videos,
              describe_at_usual_rate, recognises});

}  // namespace

manifest::Dataset describe_videos(const fs::path& path, double frame_rate) {
  if (!fs::exists(path)) fail(Exit::no_input, "{}: no such file or folder", path.string());
  const fs::path root = fs::canonical(path);
  const Videos found = find_videos(root);
  const TreeItems items = {[&](const std::string& entry) { return found.has(entry); }, "videos",
                           "mp4, avi, mkv, mov, webm and the like, or folders of images"};
  const Tree tree = class_tree(found.listing, "train", path.string(), items);
  warn_passed_over(tree.passed_over, path.string(), items.name);
  manifest::Dataset dataset;
  dataset.name = fs::is_directory(root) ? root.filename().string() : root.stem().string();
  for (const TreeSplit& part : tree.splits) {
    manifest::Split split = split_of(tree, part, root, "video", "video");
    if (!found.frame_folders.empty()) split.extra["frame-rate"] = frame_rate;
    std::vector<std::string> paths;
    paths.reserve(part.entries.size());
    for (const std::size_t i : part.entries) paths.push_back(found.listing[i].path.substr(part.prefix.size()));
    split.digest = listed_digest(split.root, paths);
    add_facts(split);
    dataset.splits[part.name] = std::move(split);
  }
  return dataset;
}

}  // namespace selfsight::data
